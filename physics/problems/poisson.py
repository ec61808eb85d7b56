import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError
from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractProblem, Condition
from .walls import wall_conditions


class Poisson(AbstractProblem):
    r"""Poisson's equation in any number of dimensions, with a manufactured solution,

    $$\nabla^2 u = -\frac{5 \pi^2}{4} u_\star, \qquad
    u_\star = \frac{2}{\sqrt{n}} \sum_{i=1}^n \sin(\pi x_i) \cos\left(\frac{\pi}{2} x_{i+1}\right),
    \quad x_{n+1} = x_1,$$

    on $[-1, 1]^n$ with the values of $u_\star$ on the sides. Each coordinate meets two others,
    so $u_\star$ is no sum of functions of one, and it has a mean square of 1 whatever $n$ is.
    """

    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, dims: int = 100):
        """**Arguments:**

        - `dims`: $n$, at least 2.

        Raises `ClosuraxError` for less.
        """
        if dims < 2:
            raise ClosuraxError(f"`dims` = {dims}: Poisson's equation needs at least 2 dimensions.")
        self.lower, self.upper = (-1.0,) * dims, (1.0,) * dims

    @property
    def coordinates(self) -> tuple[Quantity, ...]:
        return tuple(Quantity(f"x{axis + 1}", "1") for axis in range(self.dims))

    @property
    def fields(self) -> tuple[Quantity, ...]:
        return (Quantity("u", "1"),)

    def residual(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, "1"]:
        return jnp.sum(jet.second, axis=-1) + 5 * np.pi**2 / 4 * _exact(point)

    def conditions(self) -> tuple[Condition, ...]:
        return wall_conditions(range(self.dims), _exact)

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        points = self.checked(points)
        pairs = np.sin(np.pi * points) * np.cos(np.pi / 2 * np.roll(points, -1, axis=1))
        return 2 / np.sqrt(self.dims) * pairs.sum(axis=1, keepdims=True)


def _exact(point: Float[Array, " dims"]) -> Float[Array, "1"]:
    pairs = jnp.sin(np.pi * point) * jnp.cos(np.pi / 2 * jnp.roll(point, -1))
    # A NumPy scalar would turn single precision into double.
    return float(2 / np.sqrt(point.size)) * jnp.sum(pairs, keepdims=True)

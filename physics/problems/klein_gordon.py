from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractProblem, Condition
from .walls import wall_conditions


class KleinGordon(AbstractProblem):
    r"""The Klein-Gordon equation in two dimensions with a manufactured solution,

    $$\partial_t^2 u - \partial_x^2 u - \partial_y^2 u + u^2 = h, \qquad
    u = (x + y) \cos 2t + x y \sin 2t, \quad h = u^2 - 4 u,$$

    for $0 \le t \le 10$ on $[-1, 1]^2$, with the values on the sides, and the values and the
    velocities at $t = 0$, of the solution (Kang et al. 2024, arXiv 2412.05994, section 4; their
    code leaves the velocities out).
    """

    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, -1.0, -1.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(10.0, 1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (
        Quantity("t", "1"),
        Quantity("x", "1"),
        Quantity("y", "1"),
    )
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    def residual(self, point: Float[Array, "3"], jet: Jet) -> Float[Array, "1"]:
        exact = _exact(point)
        second_t, second_x, second_y = jet.second[0]
        forcing = exact**2 - 4 * exact
        return second_t - second_x - second_y + jet.value**2 - forcing

    def conditions(self) -> tuple[Condition, ...]:
        return (
            Condition("initial value", 0, False, _from_exact),
            Condition("initial velocity", 0, False, _from_exact_velocity),
            *wall_conditions((1, 2), _exact),
        )

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        t, x, y = self.checked(points).T
        return ((x + y) * np.cos(2 * t) + x * y * np.sin(2 * t))[:, None]


def _exact(point: Float[Array, "3"]) -> Float[Array, "1"]:
    t, x, y = point
    return ((x + y) * jnp.cos(2 * t) + x * y * jnp.sin(2 * t))[None]


def _from_exact(point: Float[Array, "3"], jet: Jet) -> Float[Array, "1"]:
    return jet.value - _exact(point)


def _from_exact_velocity(point: Float[Array, "3"], jet: Jet) -> Float[Array, "1"]:
    t, x, y = point
    velocity = 2 * x * y * jnp.cos(2 * t) - 2 * (x + y) * jnp.sin(2 * t)
    return jet.gradient[:, 0] - velocity

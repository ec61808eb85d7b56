from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError
from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractProblem, Condition
from .walls import wall_conditions


class Helmholtz(AbstractProblem):
    r"""The Helmholtz equation with a manufactured solution,

    $$\partial_x^2 u + \partial_y^2 u + u = q, \qquad u = \sin(a_x \pi x) \sin(a_y \pi y),$$

    on $[-1, 1]^2$ with $u = 0$ on the sides, for positive whole numbers $a_x$ and $a_y$ (Kang et
    al. 2024, arXiv 2412.05994, section 4: 1 and 4, and 10 and 10).

    Raises `ClosuraxError` for other numbers of waves.
    """

    waves_x: int = eqx.field(static=True, default=1)
    waves_y: int = eqx.field(static=True, default=4)
    lower: tuple[float, ...] = eqx.field(static=True, default=(-1.0, -1.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (Quantity("x", "1"), Quantity("y", "1"))
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    def __check_init__(self):
        for name in ("waves_x", "waves_y"):
            waves = getattr(self, name)
            if waves != int(waves) or waves < 1:
                raise ClosuraxError(
                    f"`{name}` = {waves} must be a positive whole number for u = 0 on the sides."
                )

    def residual(self, point: Float[Array, "2"], jet: Jet) -> Float[Array, "1"]:
        factor = 1 - (self.waves_x**2 + self.waves_y**2) * np.pi**2
        x, y = point
        source = factor * jnp.sin(self.waves_x * np.pi * x) * jnp.sin(self.waves_y * np.pi * y)
        return jnp.sum(jet.second, axis=-1) + jet.value - source[None]

    def conditions(self) -> tuple[Condition, ...]:
        return wall_conditions((0, 1))

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        x, y = self.checked(points).T
        return (np.sin(self.waves_x * np.pi * x) * np.sin(self.waves_y * np.pi * y))[:, None]

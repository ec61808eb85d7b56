from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractEvolution, Condition
from .walls import lift_to_walls, wall_conditions


class PlaneBurgers(AbstractEvolution):
    r"""Burgers' equations of two velocities in the plane, with a front along its diagonal,

    $$\partial_t u + u \, \partial_x u + v \, \partial_y u = \nu \nabla^2 u, \qquad
    \partial_t v + u \, \partial_x v + v \, \partial_y v = \nu \nabla^2 v,$$

    for $0 \le t \le 1$ on the unit square, with the values of the solution at the start and on all
    sides,

    $$u = \frac{3}{4} - \frac{g}{4}, \qquad v = \frac{3}{4} + \frac{g}{4}, \qquad
    \frac{1}{g} = 1 + \exp \frac{4 y - 4 x - t}{32 \nu}$$

    (Fletcher 1983, Int. J. Numer. Methods Fluids 3, 213). The front is about $20 \nu$ wide.
    """

    viscosity: float | Float[Array, ""] = 0.01
    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, 0.0, 0.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (
        Quantity("t", "1"),
        Quantity("x", "1"),
        Quantity("y", "1"),
    )
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"), Quantity("v", "1"))

    @property
    def constant_diffusivity(self) -> float | Float[Array, ""]:
        return self.viscosity

    def tendency(self, point: Float[Array, "3"], jet: Jet) -> Float[Array, "2"]:
        diffusion = self.viscosity * jnp.sum(jet.second, axis=-1)
        return diffusion - jet.gradient @ jet.value

    def initial(self, place: Float[Array, "2"]) -> Float[Array, "2"]:
        return self._exact(jnp.concatenate([jnp.zeros_like(place[:1]), place]))

    def boundary(self) -> tuple[Condition, ...]:
        return wall_conditions((1, 2), self._exact)

    def lift(self, point: Float[Array, "3"]) -> Float[Array, "2"]:
        """The initial state, and what the values on the sides add, blended between them."""
        return lift_to_walls(self, self._exact, point)

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 2"]:
        t, x, y = self.checked(points).T
        # The same as the logistic function, and finite far from the front.
        g = (1 - np.tanh((4 * y - 4 * x - t) / (64 * float(self.viscosity)))) / 2
        return np.stack([3 / 4 - g / 4, 3 / 4 + g / 4], axis=-1)

    def _exact(self, point: Float[Array, "3"]) -> Float[Array, "2"]:
        t, x, y = point
        g = jax.nn.sigmoid((t + 4 * x - 4 * y) / (32 * self.viscosity))
        return jnp.stack([3 / 4 - g / 4, 3 / 4 + g / 4])

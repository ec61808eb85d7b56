from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractEvolution, Condition
from .walls import lift_to_walls, wall_conditions

_FASTEST = 0.385
"""The largest tangential velocity, to which the published problem scales."""


class FlowMixing(AbstractEvolution):
    r"""A front that a steady vortex winds up,

    $$\partial_t u + a \, \partial_x u + b \, \partial_y u = 0, \qquad
    a = -\omega y, \quad b = \omega x, \quad
    \omega = \frac{\operatorname{sech}^2 r \, \tanh r}{0.385 \, r}, \quad r = \sqrt{x^2 + y^2},$$

    for $0 \le t \le 4$ on $[-4, 4]^2$, with the solution

    $$u = -\tanh\left(\frac{y}{2} \cos \omega t - \frac{x}{2} \sin \omega t\right)$$

    at $t = 0$ and, as published, on all four sides, in- and outflow alike (Kang et al. 2024, arXiv
    2412.05994, section 4).
    """

    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, -4.0, -4.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(4.0, 4.0, 4.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (
        Quantity("t", "1"),
        Quantity("x", "1"),
        Quantity("y", "1"),
    )
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    def tendency(self, point: Float[Array, "3"], jet: Jet) -> Float[Array, "1"]:
        _, x, y = point
        omega = _angular_velocity(x, y)
        return omega * (y * jet.gradient[:, 0] - x * jet.gradient[:, 1])

    def initial(self, place: Float[Array, "2"]) -> Float[Array, "1"]:
        return -jnp.tanh(place[1:] / 2)

    def boundary(self) -> tuple[Condition, ...]:
        return wall_conditions((1, 2), _exact)

    @property
    def is_linear(self) -> bool:
        return True

    def lift(self, point: Float[Array, "3"]) -> Float[Array, "1"]:
        """The initial state, and what the values on the sides add, blended between them."""
        return lift_to_walls(self, _exact, point)

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        t, x, y = self.checked(points).T
        r = np.hypot(x, y)
        small = r == 0
        r = np.where(small, 1, r)
        angle = t * np.where(small, 1, np.tanh(r) / (r * np.cosh(r) ** 2)) / _FASTEST
        return -np.tanh((y * np.cos(angle) - x * np.sin(angle)) / 2)[:, None]


def _angular_velocity(x: Float[Array, ""], y: Float[Array, ""]) -> Float[Array, ""]:
    squared = x**2 + y**2
    # The square root has no derivative at the centre, where the limit is 1.
    is_centre = squared == 0
    r = jnp.sqrt(jnp.where(is_centre, 1, squared))
    return jnp.where(is_centre, 1, jnp.tanh(r) / (r * jnp.cosh(r) ** 2)) / _FASTEST


def _exact(point: Float[Array, "3"]) -> Float[Array, "1"]:
    t, x, y = point
    angle = _angular_velocity(x, y) * t
    return -jnp.tanh((y * jnp.cos(angle) - x * jnp.sin(angle)) / 2)[None]

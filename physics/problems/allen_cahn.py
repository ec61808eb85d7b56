from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .cosine_allen_cahn import CosineAllenCahn
from .jet import Jet
from .problem import AbstractEvolution, Condition
from .rounded_corner import rounded_corner

# By how much the slope of the initial state jumps at the ends.
_JUMP = 4.0


class AllenCahn(AbstractEvolution):
    r"""The Allen-Cahn equation on an interval without ends,

    $$\partial_t u = \kappa \, \partial_x^2 u + r \, (u - u^3), \qquad
    u(0, x) = x^2 \cos \pi x,$$

    for $0 \le t \le 1$ on $[-1, 1]$, periodic, with $\kappa = 10^{-4}$ and $r = 5$ (Raissi et al.
    2019, J. Comput. Phys. 378, 686, section 3.1.2). The initial state has a corner at the ends,
    where the solution is not smooth at $t = 0$.

    `solution` is that of `CosineAllenCahn`, which says how accurate it is.
    """

    diffusivity: float | Float[Array, ""] = 1e-4
    reaction_rate: float | Float[Array, ""] = 5.0
    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, -1.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (Quantity("t", "1"), Quantity("x", "1"))
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    @property
    def periodic(self) -> tuple[bool, ...]:
        return (False, True)

    @property
    def constant_diffusivity(self) -> float | Float[Array, ""]:
        return self.diffusivity

    def tendency(self, point: Float[Array, "2"], jet: Jet) -> Float[Array, "1"]:
        u = jet.value
        return self.diffusivity * jet.second[:, 0] + self.reaction_rate * (u - u**3)

    def initial(self, place: Float[Array, "1"]) -> Float[Array, "1"]:
        return place**2 * jnp.cos(np.pi * place)

    def boundary(self) -> tuple[Condition, ...]:
        return ()

    def lift(self, point: Float[Array, "2"]) -> Float[Array, "1"]:
        r"""The initial state, whose corner diffuses as by the heat equation.

        At the corner $u = -1$, around which everything small decays as $e^{-2 r t}$; so does the
        corner.
        """
        t, x = point
        distance = jnp.minimum(self.upper[1] - x, x - self.lower[1])
        decay = jnp.exp(-2 * self.reaction_rate * t)
        # The only corner of this periodic function, of unit jump, is the one at the ends.
        corner = jnp.cos(np.pi / 2 * x) / np.pi
        rounded = decay * (corner + rounded_corner(t, distance, self.diffusivity))
        return self.initial(point[1:]) + _JUMP * (rounded - corner)

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        t, x = self.checked(points).T
        solver = CosineAllenCahn(float(self.diffusivity), float(self.reaction_rate))
        return solver(t, x)[:, None]

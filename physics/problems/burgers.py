from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..pdes.cole_hopf import cole_hopf
from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractEvolution, Condition
from .walls import wall_conditions


class Burgers(AbstractEvolution):
    r"""Burgers' equation, whose solution steepens to a layer at the origin,

    $$\partial_t u + u \, \partial_x u = \nu \, \partial_x^2 u, \qquad u(0, x) = -\sin \pi x,$$

    for $0 \le t \le 1$ on $[-1, 1]$ with $u = 0$ at the ends and $\nu = 0.01 / \pi$ (Basdevant et
    al. 1986, Comput. Fluids 14, 23; Raissi et al. 2019, J. Comput. Phys. 378, 686, appendix A).
    The solution is exact to rounding, by the transformation of Cole and Hopf.
    """

    viscosity: float | Float[Array, ""] = 0.01 / np.pi
    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, -1.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (Quantity("t", "1"), Quantity("x", "1"))
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    @property
    def constant_diffusivity(self) -> float | Float[Array, ""]:
        return self.viscosity

    @property
    def odd_at_walls(self) -> bool:
        return True

    def tendency(self, point: Float[Array, "2"], jet: Jet) -> Float[Array, "1"]:
        return self.viscosity * jet.second[:, 0] - jet.value * jet.gradient[:, 0]

    def initial(self, place: Float[Array, "1"]) -> Float[Array, "1"]:
        return -jnp.sin(np.pi * place)

    def boundary(self) -> tuple[Condition, ...]:
        return wall_conditions((1,))

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 1"]:
        points = self.checked(points)
        values = np.empty((len(points), 1))
        times, which = np.unique(points[:, 0], return_inverse=True)
        for index, time in enumerate(times):
            here = which == index
            values[here, 0] = cole_hopf(
                points[here, 1],
                float(time),
                viscosity=float(self.viscosity),
                amplitude=-1.0,
                wavenumber=np.pi,
            )
        return values

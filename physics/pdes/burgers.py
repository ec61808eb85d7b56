from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from ..model import OutputVariable
from ..scheme import AbstractScheme, Slot
from ..spectral.periodic_interval import PeriodicInterval
from .periodic_pde import AbstractPeriodicPDE, subgrid_slot
from .self_advection import self_advection


class Burgers(AbstractPeriodicPDE):
    r"""The viscous Burgers equation in conservative form (Burgers 1948, Adv. Appl. Mech. 1, 171),

    $$\partial_t u + \partial_x (u^2 / 2) = \nu \, \partial_x^2 u + \Pi,$$

    with $u$ in m s-1, the viscosity $\nu$ in m2 s-1, and $\Pi$ from the scheme in the slot
    `subgrid`. `cole_hopf` is the exact solution from a sine. Fronts are about $\nu / \Delta u$
    wide, for a jump of $\Delta u$; the grid has to resolve that, or a scheme to stand in for it.
    """

    grid: PeriodicInterval
    viscosity: float | Float[Array, ""] = 0.01
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = subgrid_slot("velocity", "m s-1", "m s-2")
    output_variables: ClassVar[Mapping[str, OutputVariable]] = {
        "velocity": OutputVariable(("x",), "m s-1", "velocity")
    }

    def linear_operator(self, dtype) -> Float[Array, " nk"]:
        return -self.viscosity * jnp.asarray(self.grid.k_squared, dtype)

    def nonlinear_tendency(self, field_hat: Complex[Array, " nk"]) -> Complex[Array, " nk"]:
        return self_advection(self.grid, field_hat)

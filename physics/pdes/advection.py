from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from ..model import OutputVariable
from ..scheme import AbstractScheme, Slot
from ..spectral.periodic_interval import PeriodicInterval
from .periodic_pde import AbstractPeriodicPDE, subgrid_slot


class Advection(AbstractPeriodicPDE):
    r"""Linear advection and diffusion of a tracer,

    $$\partial_t c + U \, \partial_x c = \kappa \, \partial_x^2 c + \Pi,$$

    with the speed $U$ in m s-1, the diffusivity $\kappa$ in m2 s-1, and $\Pi$ from the scheme in
    the slot `subgrid`. Both terms are in the linear part, so the exponential solvers are exact
    at any step.
    """

    grid: PeriodicInterval
    speed: float | Float[Array, ""] = 1.0
    diffusivity: float | Float[Array, ""] = 0.0
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = subgrid_slot("tracer", "1", "s-1")
    output_variables: ClassVar[Mapping[str, OutputVariable]] = {
        "tracer": OutputVariable(("x",), "1", "tracer")
    }

    def linear_operator(self, dtype) -> Complex[Array, " nk"]:
        k = jnp.asarray(self.grid.k, dtype)
        return lax.complex(-self.diffusivity * k**2, -self.speed * k)

    def nonlinear_tendency(self, field_hat: Complex[Array, " nk"]) -> Complex[Array, " nk"]:
        return jnp.zeros_like(field_hat)

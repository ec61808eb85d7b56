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


class KuramotoSivashinsky(AbstractPeriodicPDE):
    r"""The Kuramoto-Sivashinsky equation in conservative form,

    $$\partial_t u + \partial_x (u^2 / 2) = -\alpha \, \partial_x^2 u - \beta \, \partial_x^4 u
    + \Pi,$$

    with $u$ in m s-1, the anti-diffusion $\alpha$ in m2 s-1, the hyperviscosity $\beta$ in
    m4 s-1, and $\Pi$ from the scheme in the slot `subgrid` (Kuramoto 1978, Prog. Theor. Phys.
    Suppl. 64, 346; Sivashinsky 1977, Acta Astronaut. 4, 1177; integrated as by Kassam and
    Trefethen 2005, SIAM J. Sci. Comput. 26, 1214). Small waves grow at the rate
    $\alpha k^2 - \beta k^4$; on domains much longer than $2 \pi \sqrt{2 \beta / \alpha}$ the
    solution is chaotic. The mean of $u$ is constant.
    """

    grid: PeriodicInterval
    anti_diffusion: float | Float[Array, ""] = 1.0
    hyperviscosity: float | Float[Array, ""] = 1.0
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = subgrid_slot("velocity", "m s-1", "m s-2")
    output_variables: ClassVar[Mapping[str, OutputVariable]] = {
        "velocity": OutputVariable(("x",), "m s-1", "velocity")
    }

    def linear_operator(self, dtype) -> Float[Array, " nk"]:
        k_squared = jnp.asarray(self.grid.k_squared, dtype)
        return self.anti_diffusion * k_squared - self.hyperviscosity * k_squared**2

    def nonlinear_tendency(self, field_hat: Complex[Array, " nk"]) -> Complex[Array, " nk"]:
        return self_advection(self.grid, field_hat)

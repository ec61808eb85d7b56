import itertools
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..model import OutputVariable
from ..scheme import AbstractScheme, Slot
from ..spectral.grid import SpectralGrid
from .periodic_pde import AbstractPeriodicPDE, subgrid_slot


class AllenCahn(AbstractPeriodicPDE):
    r"""The Allen-Cahn equation for phases at -1 and 1 (Allen and Cahn 1979, Acta Metall. 27, 1085),

    $$\partial_t u = \kappa \, \nabla^2 u + r \, (u - u^3) + \Pi,$$

    with the diffusivity $\kappa$ in m2 s-1, the reaction rate $r$ in s-1, and $\Pi$ from the
    scheme in the slot `subgrid`. It is the gradient flow of the free energy
    $\langle \kappa |\nabla u|^2 / 2 + r (u^2 - 1)^2 / 4 \rangle$, and so is its truncation to the
    resolved wavenumbers, because the cube is computed free of aliasing. Walls between the phases
    are $\tanh(x / \sqrt{2 \kappa / r})$.
    """

    grid: SpectralGrid
    diffusivity: float | Float[Array, ""] = 1e-3
    reaction_rate: float | Float[Array, ""] = 1.0
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = subgrid_slot("phase", "1", "s-1")
    output_variables: ClassVar[Mapping[str, OutputVariable]] = {
        "phase": OutputVariable(("x", "y"), "1", "order parameter of the phases")
    }

    def linear_operator(self, dtype) -> Float[Array, "nx nk"]:
        return self.reaction_rate - self.diffusivity * jnp.asarray(self.grid.k_squared, dtype)

    def nonlinear_tendency(self, field_hat: Complex[Array, "nx nk"]) -> Complex[Array, "nx nk"]:
        return -self.reaction_rate * _cube(self.grid, field_hat)


def _cube(grid: SpectralGrid, field_hat: Complex[Array, "nx nk"]) -> Complex[Array, "nx nk"]:
    """The resolved coefficients of the cube, free of aliasing.

    Aliases from one grid wavenumber away change sign if the grid is shifted by half a spacing,
    and cubes of resolved fields have none from further away, so the mean over the shifts is free
    of them (Patterson and Orszag 1971, Phys. Fluids 14, 2538).
    """
    total = jnp.zeros_like(field_hat)
    for shift_x, shift_y in itertools.product((0.0, 0.5), repeat=2):
        phase = shift_x * grid.mode_x / grid.nx + shift_y * grid.mode_y / grid.ny
        there = np.exp(2j * np.pi * phase)
        field = grid.to_physical(grid.multiply(there, field_hat))
        back = np.conj(there) * grid.resolved / 4
        total = total + grid.multiply(back, grid.to_spectral(field**3))
    return total

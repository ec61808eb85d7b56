import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from ..spectral.grid import SpectralGrid
from .average import check_average
from .eddy_viscosity import (
    Scalar,
    curl_divergence,
    gradient_hat,
    magnitude,
    strain_hat,
    uniform_viscosity_tendency,
)
from .spectral_closure import AbstractSpectralClosure


class Leith(AbstractSpectralClosure):
    r"""Eddy viscosity from the vorticity gradient, in stress form.

    $$\Pi = \nabla \times \nabla \cdot (2 \nu_e S), \qquad
    \nu_e = (C_L \Delta)^3 |\nabla \omega|,$$

    with the grid spacing $\Delta$. The friction of a symmetric stress takes kinetic energy,
    $2 \nu_e S_{ij} S_{ij}$, at every point; $\nabla \cdot (\nu_e \nabla \omega)$ differs from it
    where $\nu_e$ varies. With `average="domain"` the viscosity is uniform,
    $\nu_e = (C_L \Delta)^3 \langle |\nabla \omega| \rangle$, as in Mojgani et al. 2023,
    arXiv 2312.00907, and both are the same.

    On a grid that keeps two thirds of its wavenumbers, $C_L = 0.3$ is the length that 0.2 is on one
    that keeps all.

    Leith 1996, Physica D 98, 481.
    """

    coefficient: Scalar = 0.20
    average: str = eqx.field(static=True, default="local")

    def __check_init__(self):
        check_average(type(self).__name__, self.average)

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        if self.average == "domain":
            gradient = grid.to_physical(gradient_hat(grid, vorticity_hat))
            viscosity = (self.coefficient * grid.spacing) ** 3 * jnp.mean(magnitude(gradient))
            return uniform_viscosity_tendency(grid, viscosity, vorticity_hat)
        stress = self.coefficient**3 * leith_stress(grid, vorticity_hat, grid.spacing)
        return curl_divergence(grid, grid.to_spectral(stress))


def leith_stress(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"], width: Scalar
) -> Float[Array, "2 nx ny"]:
    r"""The viscous stress $2 \nu_e S$ in m2 s-2 for a filter of `width` m and $C_L = 1$."""
    gradient_and_strain = grid.to_physical(
        jnp.stack([gradient_hat(grid, vorticity_hat), strain_hat(grid, vorticity_hat)])
    )
    gradient, strain = gradient_and_strain
    return width**3 * magnitude(gradient)[None] * strain

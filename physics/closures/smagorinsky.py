import equinox as eqx
from jaxtyping import Array, Complex, Float

from ..spectral.grid import SpectralGrid
from .average import check_average
from .eddy_viscosity import (
    Scalar,
    curl_divergence,
    magnitude,
    mean_product,
    square_root,
    strain_hat,
    uniform_viscosity_tendency,
)
from .spectral_closure import AbstractSpectralClosure


class Smagorinsky(AbstractSpectralClosure):
    r"""Eddy viscosity from the strain rate, in stress form.

    $$\Pi = \nabla \times \nabla \cdot (2 \nu_e S), \qquad \nu_e = (C_S \Delta)^2 |S|, \qquad
    |S|^2 = 2 S_{ij} S_{ij} = (u_x - v_y)^2 + (u_y + v_x)^2,$$

    with the grid spacing $\Delta$. With `average="domain"` the viscosity is uniform,
    $\nu_e = (C_S \Delta)^2 \langle |S|^2 \rangle^{1/2}$, as in Mojgani et al. 2023,
    arXiv 2312.00907; that needs no Fourier transform.

    Smagorinsky 1963, Mon. Weather Rev. 91, 99.
    """

    coefficient: Scalar = 0.17
    average: str = eqx.field(static=True, default="local")

    def __check_init__(self):
        check_average(type(self).__name__, self.average)

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        if self.average == "domain":
            # In a periodic domain the mean square of the strain is that of the vorticity.
            mean_square = mean_product(grid, vorticity_hat, vorticity_hat)
            viscosity = (self.coefficient * grid.spacing) ** 2 * square_root(mean_square)
            return uniform_viscosity_tendency(grid, viscosity, vorticity_hat)
        stress = self.coefficient**2 * smagorinsky_stress(grid, vorticity_hat, grid.spacing)
        return curl_divergence(grid, grid.to_spectral(stress))


def smagorinsky_stress(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"], width: Scalar
) -> Float[Array, "2 nx ny"]:
    r"""The viscous stress $2 \nu_e S$ in m2 s-2 for a filter of `width` m and $C_S = 1$."""
    strain = grid.to_physical(strain_hat(grid, vorticity_hat))
    return width**2 * magnitude(strain)[None] * strain

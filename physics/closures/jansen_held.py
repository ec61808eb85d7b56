import jax.numpy as jnp
from jaxtyping import Array, Complex

from ..spectral.grid import SpectralGrid
from .eddy_viscosity import (
    Scalar,
    gradient_hat,
    magnitude,
    mean_product,
    ratio,
    strain_hat,
    uniform_viscosity_tendency,
)
from .spectral_closure import AbstractSpectralClosure


class JansenHeldBackscatter(AbstractSpectralClosure):
    r"""Biharmonic dissipation at small scales that returns most of its energy to large ones.

    $$\Pi = -\nabla^2 \nabla \cdot (\nu_4 \nabla \omega) - \nu_2 \nabla^2 \omega, \qquad
    \nu_4 = C^2 \Delta^4 |S|, \qquad
    \nu_2 = r \, \frac{\langle \nu_4 |\nabla \omega|^2 \rangle}{\langle \omega^2 \rangle}.$$

    The first term is the curl of the friction $-\nabla^2 (\nu_4 \nabla^2 \mathbf{u})$; it takes
    $\langle \nu_4 |\nabla \omega|^2 \rangle$ from the kinetic energy. The negative viscosity
    $-\nu_2$, uniform in space, gives the fraction $r$ of that back, in the domain mean and at every
    instant. $|S|$ is as in `Smagorinsky`.

    After Jansen and Held 2014, Ocean Modelling 80, 36, who keep a budget of the subgrid energy in
    between; for two-dimensional turbulence see Guan et al. 2024, arXiv 2409.04985.
    """

    coefficient: Scalar = 0.1
    fraction: Scalar = 0.9

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        gradient_and_strain = grid.to_physical(
            jnp.stack([gradient_hat(grid, vorticity_hat), strain_hat(grid, vorticity_hat)])
        )
        gradient, strain = gradient_and_strain
        viscosity = self.coefficient**2 * grid.spacing**4 * magnitude(strain)
        flux = viscosity[None] * gradient
        flux_hat = grid.truncate(grid.to_spectral(flux))
        diffusion_hat = grid.derivative_x(flux_hat[0]) + grid.derivative_y(flux_hat[1])

        energy_lost = jnp.mean(jnp.sum(flux * gradient, axis=0))
        mean_square = mean_product(grid, vorticity_hat, vorticity_hat)
        returned = self.fraction * ratio(energy_lost, mean_square)
        backscatter_hat = uniform_viscosity_tendency(grid, -returned, vorticity_hat)
        return backscatter_hat - grid.laplacian(diffusion_hat)

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from closurax.physics.closures import AbstractSpectralClosure
from closurax.physics.diagnostics import enstrophy_density
from closurax.physics.errors import ClosuraxError
from closurax.physics.spectral import SpectralGrid


class ScaledSpectralViscosity(AbstractSpectralClosure):
    r"""A linear closure whose rates follow the flow and the cutoff, for any grid.

    $$\hat\Pi(\mathbf{k}) = -\nu_* \!\left(\frac{k}{k_c}\right)
    \left(\frac{k}{k_c}\right)^2 \langle \omega^2 \rangle^{1/2}\, \hat\omega(\mathbf{k}),$$

    with the largest resolved wavenumber $k_c$ and a dimensionless spectral eddy viscosity
    $\nu_*$, given at equally spaced wavenumbers $0, \dots, k_c$ and linear in between. In a
    cascade of enstrophy the only rate is that of the vorticity, so that $\nu_*$ is the same
    function at every resolution. Negative values return energy: backscatter.

    After Kraichnan 1976, J. Atmos. Sci. 33, 1521, and Chollet and Lesieur 1981, J. Atmos. Sci. 38,
    2747, who scale by the energy at the cutoff. It needs no Fourier transform.
    """

    viscosity: Float[Array, " nodes"]

    def __check_init__(self):
        if jnp.ndim(self.viscosity) != 1 or jnp.size(self.viscosity) < 2:
            raise ClosuraxError(
                "`viscosity` must hold the values at two or more wavenumbers, not shape "
                f"{jnp.shape(self.viscosity)}."
            )

    @classmethod
    def uniform(cls, viscosity: float, nodes: int = 8) -> ScaledSpectralViscosity:
        """The same viscosity at all wavenumbers, to start a training from."""
        return cls(jnp.full(nodes, viscosity, jnp.result_type(float)))

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        relative = np.sqrt(grid.k_squared) / np.sqrt((grid.k_squared * grid.resolved).max())
        # Linear interpolation as a product with hat functions: a plain sum for the gradient.
        nodes = self.viscosity.size
        position = np.minimum(relative, 1.0).ravel() * (nodes - 1)
        hats = np.maximum(0.0, 1 - np.abs(position[:, None] - np.arange(nodes)))
        real = vorticity_hat.real.dtype
        shape = jnp.asarray(hats, real) @ self.viscosity.astype(real)
        shape = shape.reshape(relative.shape) * jnp.asarray(relative**2 * grid.resolved, real)
        rate = jnp.sqrt(2 * jnp.sum(enstrophy_density(vorticity_hat, grid)) + jnp.finfo(real).tiny)
        return -(rate * shape).astype(vorticity_hat.dtype) * vorticity_hat

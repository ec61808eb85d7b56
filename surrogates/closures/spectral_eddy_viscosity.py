import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from closurax.physics.closures import AbstractSpectralClosure
from closurax.physics.diagnostics import shell_index
from closurax.physics.errors import DataError, GridMismatchError
from closurax.physics.spectral import SpectralGrid


class SpectralEddyViscosity(AbstractSpectralClosure):
    r"""The best linear, isotropic closure: $\hat\Pi = -\gamma(|\mathbf{k}|)\, \hat\omega$.

    One decay rate for each shell $|k| \in [n - 1/2, n + 1/2)$, in units of the fundamental
    wavenumber; $\gamma / k^2$ is the spectral eddy viscosity of Kraichnan (1976, J. Atmos. Sci.
    33, 1521), with its cusp at the cutoff. Fitted to data it returns the mean enstrophy
    transfer of every shell, which makes it the baseline that a network has to beat. It belongs
    to the grid that it was fitted on.
    """

    decay_rate: Float[Array, " shells"]

    @classmethod
    def fit(
        cls,
        vorticity: Float[np.ndarray, "sample nx ny"],
        subgrid_tendency: Float[np.ndarray, "sample nx ny"],
        grid: SpectralGrid,
    ) -> "SpectralEddyViscosity":
        r"""Least squares over samples and directions, shell by shell:
        $\gamma = -\langle \hat\omega^* \hat\Pi \rangle / \langle |\hat\omega|^2 \rangle$.

        Raises `DataError` if there are no samples, `GridMismatchError` if they are not on `grid`.
        """
        vorticity, subgrid_tendency = np.asarray(vorticity), np.asarray(subgrid_tendency)
        for name, field in (("vorticity", vorticity), ("subgrid_tendency", subgrid_tendency)):
            grid.check(jnp.asarray(field), name)
        if len(vorticity) == 0 or len(vorticity) != len(subgrid_tendency):
            raise DataError(
                f"The fit needs as many fields of vorticity as of the tendency, at least one: "
                f"{len(vorticity)} and {len(subgrid_tendency)}."
            )
        vorticity_hat = np.fft.rfft2(vorticity)
        tendency_hat = np.fft.rfft2(subgrid_tendency)
        transfer = np.mean((vorticity_hat.conj() * tendency_hat).real, axis=0)
        variance = np.mean(np.abs(vorticity_hat) ** 2, axis=0)
        shell = shell_index(grid)
        weight = (grid.parseval_weight * grid.resolved).ravel()
        transfer = np.bincount(shell.ravel(), weight * transfer.ravel())
        variance = np.bincount(shell.ravel(), weight * variance.ravel())
        transfer[0] = 0.0  # the mean vorticity is zero but for rounding
        rate = -np.divide(transfer, variance, out=np.zeros_like(transfer), where=variance > 0)
        return cls(jnp.asarray(rate, jnp.result_type(float)))

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        shell = shell_index(grid)
        if shell.max() + 1 != self.decay_rate.size:
            raise GridMismatchError(
                f"SpectralEddyViscosity was fitted on a grid with {self.decay_rate.size} shells "
                f"of wavenumbers; the {grid.nx} x {grid.ny} grid has {shell.max() + 1}: fit it "
                "again there."
            )
        rate = self.decay_rate.astype(vorticity_hat.dtype)[shell]
        return -rate * vorticity_hat

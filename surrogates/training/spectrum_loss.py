import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.diagnostics import enstrophy_density, enstrophy_spectrum, shell_sum
from closurax.physics.errors import DataError
from closurax.physics.spectral import SpectralGrid, from_real_view


class SpectrumLoss(eqx.Module):
    r"""How far the mean enstrophy spectrum of runs is from that of a few snapshots.

    $$L = \frac{1}{n} \sum_k \frac{[\ln \overline Z(k) - \ln Z_\text{ref}(k)]^2}
    {\sigma_k^2} \Big/ \frac{1}{n} \sum_k \frac{1}{\sigma_k^2}$$

    over the wavenumber shells, with the mean over members and times of the runs and $\sigma_k$
    the standard error of the mean of the snapshots, so that shells that few snapshots tell
    little about count little. `loss ** 0.5` is a root-mean-square error of $\ln Z$.
    """

    log_spectrum: Float[Array, " shells"]
    weight: Float[Array, " shells"]
    grid: SpectralGrid
    first: int = eqx.field(static=True)

    @classmethod
    def from_snapshots(
        cls,
        vorticity: Float[np.ndarray, "time nx ny"],
        grid: SpectralGrid,
        *,
        smallest_error: float = 0.05,
    ) -> "SpectrumLoss":
        r"""Of all resolved shells from 1 on.

        **Arguments:**

        - `vorticity`: snapshots on the grid in s-1, at least two.
        - `smallest_error`: added in quadrature to the standard errors of $\ln Z$.

        Raises `DataError` for fewer than two snapshots or for an empty shell,
        `GridMismatchError` if they are not on the grid.
        """
        if len(vorticity) < 2:
            raise DataError("A spectrum with its standard error needs at least two snapshots.")
        last = (min(grid.shape) - 1) // 3
        spectra = np.asarray(enstrophy_spectrum(np.asarray(vorticity), grid), float)[
            :, 1 : last + 1
        ]
        mean = spectra.mean(0)
        if not (mean > 0).all():
            raise DataError(
                f"The snapshots have no enstrophy in shell {1 + int(np.argmin(mean))}; give "
                "snapshots that fill the resolved wavenumbers."
            )
        error = spectra.std(0, ddof=1) / mean / np.sqrt(len(spectra))
        weight = 1 / (error**2 + smallest_error**2)
        dtype = jnp.result_type(float)
        return cls(
            jnp.asarray(np.log(mean), dtype), jnp.asarray(weight / weight.sum(), dtype), grid, 1
        )

    def __call__(self, states: Float[Array, "member time 2 nx nk"]) -> Float[Array, ""]:
        """The loss of states of `BarotropicVorticity`."""
        spectrum = jnp.mean(jax.vmap(jax.vmap(self._spectrum))(states), axis=(0, 1))
        difference = jnp.log(spectrum) - self.log_spectrum.astype(spectrum.dtype)
        return jnp.sum(self.weight.astype(spectrum.dtype) * difference**2)

    def _spectrum(self, state: Float[Array, "2 nx nk"]) -> Float[Array, " shells"]:
        density = enstrophy_density(from_real_view(state), self.grid)
        return shell_sum(density, self.grid)[self.first : self.first + self.log_spectrum.size]

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
        mean, spread = snapshot_spectrum(vorticity, grid)
        error = spread / np.sqrt(len(vorticity))
        weight = 1 / (error**2 + smallest_error**2)
        dtype = jnp.result_type(float)
        return cls(
            jnp.asarray(np.log(mean), dtype), jnp.asarray(weight / weight.sum(), dtype), grid
        )

    def __call__(self, states: Float[Array, "member time 2 nx nk"]) -> Float[Array, ""]:
        """The loss of states of `BarotropicVorticity`."""
        spectrum = mean_spectrum(states, self.grid)
        difference = jnp.log(spectrum) - self.log_spectrum.astype(spectrum.dtype)
        return jnp.sum(self.weight.astype(spectrum.dtype) * difference**2)


def snapshot_spectrum(
    vorticity: Float[np.ndarray, "time nx ny"], grid: SpectralGrid
) -> tuple[Float[np.ndarray, " shells"], Float[np.ndarray, " shells"]]:
    """The mean enstrophy spectrum in s-2 in the resolved shells from 1 on, and the standard
    deviation of single snapshots relative to it.

    Raises `DataError` for fewer than two snapshots or for an empty shell, `GridMismatchError` if
    they are not on the grid.
    """
    if len(vorticity) < 2:
        raise DataError("A spectrum with its standard error needs at least two snapshots.")
    spectra = np.asarray(enstrophy_spectrum(np.asarray(vorticity), grid), float)
    spectra = spectra[:, 1 : grid.last_shell + 1]
    mean = spectra.mean(0)
    if not (mean > 0).all():
        raise DataError(
            f"The snapshots have no enstrophy in shell {1 + int(np.argmin(mean))}; give "
            "snapshots that fill the resolved wavenumbers."
        )
    return mean, spectra.std(0, ddof=1) / mean


def mean_spectrum(
    states: Float[Array, "member time 2 nx nk"], grid: SpectralGrid
) -> Float[Array, " shells"]:
    """The same shells of the mean over states of `BarotropicVorticity`."""

    def spectrum(state: Float[Array, "2 nx nk"]) -> Float[Array, " shells"]:
        density = enstrophy_density(from_real_view(state), grid)
        return shell_sum(density, grid)[1 : grid.last_shell + 1]

    return jnp.mean(jax.vmap(jax.vmap(spectrum))(states), axis=(0, 1))

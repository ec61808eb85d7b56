"""Energy and enstrophy of a vorticity field, in total and by wavenumber."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from ..errors import GridMismatchError
from ..spectral.grid import SpectralGrid


def shell_wavenumbers(grid: SpectralGrid) -> Float[np.ndarray, " shells"]:
    r"""The centres of the wavenumber shells in rad m-1.

    Shell $n$ holds the wavenumbers with $n - 1/2 \le k / k_1 < n + 1/2$, where $k_1$ is the
    domain's smallest wavenumber. The shells reach into the corners of the spectral plane, so
    that every coefficient belongs to one.
    """
    return np.arange(shell_index(grid).max() + 1) * _fundamental(grid)


def shell_sum(
    density: Float[Array, "*batch nx nk"], grid: SpectralGrid
) -> Float[Array, "*batch shells"]:
    """Sums what the coefficients of `rfft2` carry over the shells of `shell_wavenumbers`."""
    index = shell_index(grid)
    columns = density.reshape(-1, index.size).T
    sums = jax.ops.segment_sum(columns, jnp.asarray(index.ravel()), int(index.max()) + 1)
    return sums.T.reshape(*density.shape[:-2], -1)


def energy_density(
    vorticity_hat: Complex[Array, "*batch nx nk"], grid: SpectralGrid
) -> Float[Array, "*batch nx nk"]:
    """What each coefficient contributes to the mean kinetic energy, in m2 s-2."""
    return weighted(grid.inverse_k_squared, enstrophy_density(vorticity_hat, grid))


def enstrophy_density(
    vorticity_hat: Complex[Array, "*batch nx nk"], grid: SpectralGrid
) -> Float[Array, "*batch nx nk"]:
    """What each coefficient contributes to the mean enstrophy, in s-2."""
    power = vorticity_hat.real**2 + vorticity_hat.imag**2
    return weighted(grid.parseval_weight / 2, power)


def mean_energy(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"], grid: SpectralGrid
) -> Float[Array, "*batch"]:
    r"""The domain mean $\langle |\mathbf{u}|^2 \rangle / 2$ in m2 s-2."""
    return jnp.sum(energy_density(grid.to_spectral(vorticity), grid), axis=(-2, -1))


def mean_enstrophy(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"], grid: SpectralGrid
) -> Float[Array, "*batch"]:
    r"""The domain mean $\langle \omega^2 \rangle / 2$ in s-2."""
    grid.check(vorticity, "vorticity")
    return jnp.mean(vorticity**2, axis=(-2, -1)) / 2


def energy_spectrum(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"], grid: SpectralGrid
) -> Float[Array, "*batch shells"]:
    r"""The energy in each shell in m2 s-2; the sum over the shells is the mean energy.

    Raises `GridMismatchError` if the field is not on the grid.
    """
    return shell_sum(energy_density(grid.to_spectral(vorticity), grid), grid)


def enstrophy_spectrum(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"], grid: SpectralGrid
) -> Float[Array, "*batch shells"]:
    """The enstrophy in each shell in s-2; the sum over the shells is the mean enstrophy.

    Raises `GridMismatchError` if the field is not on the grid.
    """
    return shell_sum(enstrophy_density(grid.to_spectral(vorticity), grid), grid)


def one_dimensional_enstrophy_spectrum(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"], grid: SpectralGrid
) -> Float[Array, "*batch half"]:
    r"""The mean of the spectra along x and along y, in s-2, for the modes 0 to n / 2 - 1.

    Along x it is $Z(k_x) = \frac12 \sum_{k_y} |\hat\omega(k_x, k_y)|^2$ over all $k_y$ of both
    signs, for one sign of $k_x$ and with coefficients that are normalised by the number of
    points: the spectrum in the reward of Mojgani et al. 2023, arXiv 2312.00907.

    Raises `GridMismatchError` unless the grid is square and the field is on it.
    """
    if grid.nx != grid.ny or grid.length_x != grid.length_y:
        raise GridMismatchError(
            f"The mean of the spectra along x and y needs a square grid, not {grid.nx} x "
            f"{grid.ny} points on {grid.length_x:g} x {grid.length_y:g} m."
        )
    grid.check(vorticity, "vorticity")
    along_x = jnp.mean(jnp.abs(jnp.fft.rfft(vorticity, axis=-2)) ** 2, axis=-1)
    along_y = jnp.mean(jnp.abs(jnp.fft.rfft(vorticity, axis=-1)) ** 2, axis=-2)
    return (along_x + along_y)[..., :-1] / (4 * grid.nx**2)


def weighted(
    factor: np.ndarray, density: Float[Array, "*batch nx nk"]
) -> Float[Array, "*batch nx nk"]:
    """Multiplies by a real diagonal operator, in the precision of the density."""
    factor = np.broadcast_to(factor, density.shape[-2:])
    leading = (1,) * (density.ndim - 2)
    return jnp.asarray(factor.reshape(leading + factor.shape), density.dtype) * density


def _fundamental(grid: SpectralGrid) -> float:
    return 2 * np.pi / max(grid.length_x, grid.length_y)


def shell_index(grid: SpectralGrid) -> Int[np.ndarray, "nx nk"]:
    """The number of the shell, from zero, that each coefficient of `rfft2` belongs to."""
    shell = np.sqrt(grid.k_squared) / _fundamental(grid)
    # Rounding of k must not move a wavenumber on a shell's edge into the shell below.
    return np.floor(shell + 0.5 + 1e-12 * shell).astype(int)

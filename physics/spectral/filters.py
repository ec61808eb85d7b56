"""Filters that separate resolved from subgrid scales, and coarse-graining between grids."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..errors import GridMismatchError
from .grid import SpectralGrid


def sharp_filter(grid: SpectralGrid, coarse: SpectralGrid) -> Float[np.ndarray, "nx nk"]:
    """Transfer function on `grid` that keeps just the wavenumbers which `coarse` resolves."""
    return (
        (np.abs(grid.mode_x) <= (coarse.nx - 1) // 3)
        & (np.abs(grid.mode_y) <= (coarse.ny - 1) // 3)
    ).astype(float)


def gaussian_filter(grid: SpectralGrid, width: float) -> Float[np.ndarray, "nx nk"]:
    r"""Transfer function $\exp(-k^2 \Delta^2 / 24)$ of a Gaussian filter of width $\Delta$ in m.

    Pope, Turbulent Flows (2000), table 13.2.
    """
    return np.exp(-grid.k_squared * width**2 / 24)


def spectral_resample(
    field_hat: Complex[Array, "*batch nx nk"], fine: SpectralGrid, coarse: SpectralGrid
) -> Complex[Array, "*batch mx mk"]:
    """Moves coefficients between grids of the same domain; wavenumbers without a place are lost.

    The smaller grid's Nyquist coefficients are set to zero, so that real fields stay real and
    derivatives are consistent. Works in both directions.
    """
    if (fine.length_x, fine.length_y) != (coarse.length_x, coarse.length_y):
        raise GridMismatchError(
            f"Grids of different domains: {fine.length_x} x {fine.length_y} m and "
            f"{coarse.length_x} x {coarse.length_y} m."
        )
    half_x = min(fine.nx, coarse.nx) // 2
    columns = min(fine.ny, coarse.ny) // 2
    batch = field_hat.shape[:-2]
    kept = field_hat[..., :columns]
    zeros = jnp.zeros((*batch, coarse.nx - 2 * half_x + 1, columns), field_hat.dtype)
    rows = jnp.concatenate(
        [kept[..., :half_x, :], zeros, kept[..., fine.nx - half_x + 1 :, :]], axis=-2
    )
    padding = [(0, 0)] * (rows.ndim - 1) + [(0, coarse.ny // 2 + 1 - columns)]
    return jnp.pad(rows, padding) * (coarse.nx * coarse.ny / (fine.nx * fine.ny))


def coarsen(
    field: Float[Array, "*batch nx ny"],
    fine: SpectralGrid,
    coarse: SpectralGrid,
    width: float | None = None,
) -> Float[Array, "*batch mx my"]:
    """Filters a field and samples it on a coarser grid.

    **Arguments:**

    - `field`: on `fine`.
    - `fine`, `coarse`: grids of the same domain.
    - `width`: width in m of a Gaussian filter applied before the truncation to the
        wavenumbers that `coarse` resolves; without it the filter is the sharp truncation alone.
    """
    field_hat = fine.to_spectral(field)
    if width is not None:
        field_hat = fine.multiply(gaussian_filter(fine, width), field_hat)
    return coarse.to_physical(coarse.truncate(spectral_resample(field_hat, fine, coarse)))

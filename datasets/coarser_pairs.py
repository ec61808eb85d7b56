import equinox as eqx
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from closurax.physics.errors import DataError
from closurax.physics.spectral import SpectralGrid, spectral_resample
from closurax.physics.turbulence import vorticity_advection

from .filtered_pairs import label_pairs, pair_of


def coarser_pairs(pairs: xr.Dataset, grid: SpectralGrid) -> xr.Dataset:
    r"""Pairs on a coarser grid, from pairs that were made with the sharp filter.

    The sharp filter $P$ to fewer wavenumbers undoes what the finer one kept:

    $$\Pi' = P\left[\Pi - \bar{\mathbf{u}} \cdot \nabla \bar\omega\right]
    + P\bar{\mathbf{u}} \cdot \nabla P\bar\omega,$$

    which is exact, so that no DNS is needed.

    **Arguments:**

    - `pairs`: as `open_pairs` or `filtered_pairs` return them.
    - `grid`: of the same domain, resolving at most the wavenumbers of the pairs.

    Raises `DataError` for pairs of another filter or a finer grid.
    """
    fine = SpectralGrid(pairs.sizes["x"], length_x=grid.length_x)
    if pairs.attrs.get("filter", "sharp") != "sharp":
        raise DataError(
            f"The pairs were made with the filter {pairs.attrs['filter']!r}; only those of the "
            "sharp filter can be made coarser without the DNS."
        )
    if fine.last_shell < grid.last_shell:
        raise DataError(
            f"The pairs have {fine.nx} points; a grid of {grid.nx} resolves more wavenumbers. Make "
            "pairs of that size with `filtered_pairs`."
        )
    made = [
        [np.asarray(field) for field in _coarser(vorticity, tendency, fine, grid)]
        for vorticity, tendency in zip(
            pairs["vorticity"].values, pairs["subgrid_tendency"].values, strict=True
        )
    ]
    fields = dict(
        zip(("vorticity", "streamfunction", "subgrid_tendency"), np.stack(made, 1), strict=True)
    )
    attrs = {**pairs.attrs, "coarse_grid_size": grid.nx}
    return label_pairs(fields, pairs["time"].values, grid, attrs)


@eqx.filter_jit
def _coarser(
    vorticity: Float[Array | np.ndarray, "nx ny"],
    tendency: Float[Array | np.ndarray, "nx ny"],
    fine: SpectralGrid,
    grid: SpectralGrid,
) -> tuple[Float[Array, "mx my"], Float[Array, "mx my"], Float[Array, "mx my"]]:
    vorticity_hat = fine.truncate(fine.to_spectral(vorticity))
    exact_hat = fine.to_spectral(tendency) + vorticity_advection(fine, vorticity_hat)
    resolved_hat, exact_hat = (
        grid.truncate(spectral_resample(field_hat, fine, grid))
        for field_hat in (vorticity_hat, exact_hat)
    )
    return pair_of(resolved_hat, exact_hat, grid)

"""Pairs of a resolved field and the subgrid tendency that belongs to it, by filtering a DNS."""

import os
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Complex, Float
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError, DataError
from closurax.physics.spectral import (
    SpectralGrid,
    gaussian_filter,
    spectral_resample,
)
from closurax.physics.turbulence import vorticity_advection

from .netcdf_output import write_netcdf
from .validation import check_snapshots, open_netcdf

_TRAINING_PAIRS = Path(__file__).with_name("data") / "dns2d_kf4_re20k_pairs64.nc"

_LABELS = {
    "vorticity": ("s-1", "resolved relative vorticity"),
    "streamfunction": ("m2 s-1", "resolved streamfunction"),
    "subgrid_tendency": ("s-2", "tendency of the resolved vorticity due to subgrid scales"),
}


def filtered_pairs(
    dns: xr.Dataset, grid: SpectralGrid, filter: str = "sharp", *, progress: bool = True
) -> xr.Dataset:
    r"""The resolved fields of a DNS on a coarse grid and the exact subgrid tendency.

    With the filter $P$, an overbar for filtered fields and dealiased products on either grid,

    $$\Pi = P[-\mathbf{u} \cdot \nabla \omega]
    - (-\bar{\mathbf{u}} \cdot \nabla \bar\omega),$$

    where the second term holds the wavenumbers that the coarse grid resolves: exactly what
    must be added to the advective tendency of the coarse model for the filtered tendency of
    the DNS.

    **Arguments:**

    - `dns`: `vorticity(time, x, y)` in s-1, as `open_dns` returns it.
    - `grid`: the coarse grid, square, of the domain of the DNS.
    - `filter`: `"sharp"`, the truncation to the resolved wavenumbers of `grid`; or
        `"gaussian"`, a Gaussian filter of twice the spacing of `grid` before the truncation.
    - `progress`: whether to show a bar if this takes more than two seconds.

    **Returns:**

    `vorticity` in s-1, `streamfunction` in m2 s-1 and `subgrid_tendency` in s-2, each
    `(time, x, y)`.

    Raises `DataError` if `grid` is finer than the DNS or of another domain.
    """
    if filter not in ("sharp", "gaussian"):
        raise ClosuraxError(f"`filter` is {filter!r}; it may be 'sharp' or 'gaussian'.")
    fine = _fine_grid(dns, grid)
    width = 2 * grid.spacing if filter == "gaussian" else None
    pairs = []
    snapshots = range(dns.sizes["time"])
    for index in tqdm(snapshots, desc="filtering", unit="field", delay=2, disable=not progress):
        vorticity = jnp.asarray(dns["vorticity"].isel(time=index).values)
        pairs.append([np.asarray(field) for field in _pair(vorticity, fine, grid, width)])
    attrs = {
        **dns.attrs,
        "Conventions": "CF-1.11",
        "title": "resolved vorticity and exact subgrid tendency",
        "source": f"filtered from: {dns.attrs.get('title', 'a direct numerical simulation')}",
        "filter": filter,
        "filter_width": 0.0 if width is None else width,
        "fine_grid_size": fine.nx,
        "coarse_grid_size": grid.nx,
    }
    fields = dict(zip(_LABELS, np.stack(pairs, axis=1), strict=True))
    return label_pairs(fields, dns["time"].values, grid, attrs)


def write_pairs(pairs: xr.Dataset, path: str | os.PathLike) -> None:
    """Writes `vorticity` and `subgrid_tendency`, packed into integers and compressed.

    The step of the packing is 3e-4 standard deviations, so that the error of the values, its
    third part in the root mean square, is below 1e-4 of their standard deviation. The
    streamfunction is left to `open_pairs`.
    """
    encoding: dict = {name: {"_FillValue": None} for name in pairs.coords}
    for name in ("vorticity", "subgrid_tendency"):
        values = pairs[name].values
        step = 3e-4 * float(values.std(dtype=float)) or 1.0
        short = np.abs(values).max() < step * np.iinfo(np.int16).max
        integer = np.int16 if short else np.int32
        encoding[name] = {
            "dtype": integer,
            "scale_factor": step,
            "add_offset": 0.0,
            "_FillValue": np.iinfo(integer).min,
            "zlib": True,
            "shuffle": True,
            "complevel": 9,
        }
    write_netcdf(pairs[["vorticity", "subgrid_tendency"]], path, encoding)


def open_pairs(path: str | os.PathLike) -> xr.Dataset:
    """Opens what `write_pairs` wrote, in memory, with the streamfunction.

    The fields are in jax's floating-point type and hold nothing but resolved wavenumbers
    without the mean, so that two thirds of the error of the packing remain.

    Raises `DataError` as `open_dns` does.
    """
    units = {"vorticity": "s-1", "subgrid_tendency": "s-2"}
    with check_snapshots(open_netcdf(path), repr(str(path)), units) as packed:
        x = packed["x"].values
        grid = SpectralGrid(x.size, length_x=_length(x))
        vorticity, streamfunction, subgrid_tendency = _unpacked(
            jnp.asarray(packed["vorticity"].values, jnp.result_type(float)),
            jnp.asarray(packed["subgrid_tendency"].values, jnp.result_type(float)),
            grid,
        )
        fields = {
            "vorticity": np.asarray(vorticity),
            "streamfunction": np.asarray(streamfunction),
            "subgrid_tendency": np.asarray(subgrid_tendency),
        }
        return label_pairs(fields, packed["time"].values, grid, packed.attrs)


def training_pairs() -> xr.Dataset:
    """The pairs on a 64 x 64 grid that ship with closurax, as `open_pairs` returns them.

    Raises `DataError` if the installation lacks the file.
    """
    if not _TRAINING_PAIRS.is_file():
        raise DataError(
            f"This installation lacks {_TRAINING_PAIRS.name!r}; install closurax again, or make "
            "pairs with `generate_dns` and `filtered_pairs`."
        )
    return open_pairs(_TRAINING_PAIRS)


@eqx.filter_jit
def _pair(
    vorticity: Float[Array, "nx ny"], fine: SpectralGrid, coarse: SpectralGrid, width: float | None
) -> tuple[Float[Array, "mx my"], Float[Array, "mx my"], Float[Array, "mx my"]]:
    def filtered(field_hat):
        if width is not None:
            field_hat = fine.multiply(gaussian_filter(fine, width), field_hat)
        return coarse.truncate(spectral_resample(field_hat, fine, coarse))

    vorticity_hat = fine.truncate(fine.to_spectral(vorticity))
    exact = filtered(vorticity_advection(fine, vorticity_hat))
    return pair_of(filtered(vorticity_hat), exact, coarse)


def pair_of(
    resolved_hat: Complex[Array, "mx mk"], exact_hat: Complex[Array, "mx mk"], grid: SpectralGrid
) -> tuple[Float[Array, "mx my"], Float[Array, "mx my"], Float[Array, "mx my"]]:
    """Vorticity, streamfunction and subgrid tendency, from the coefficients of the resolved
    vorticity and of the advective tendency that it should have."""
    subgrid_hat = exact_hat - vorticity_advection(grid, resolved_hat)
    return (
        grid.to_physical(resolved_hat),
        grid.to_physical(grid.inverse_laplacian(resolved_hat)),
        grid.to_physical(subgrid_hat),
    )


@eqx.filter_jit
def _unpacked(
    vorticity: Float[Array, "time nx ny"],
    subgrid_tendency: Float[Array, "time nx ny"],
    grid: SpectralGrid,
) -> tuple[Float[Array, "time nx ny"], Float[Array, "time nx ny"], Float[Array, "time nx ny"]]:
    resolved = grid.resolved & (grid.k_squared > 0)
    vorticity_hat = grid.multiply(resolved, grid.to_spectral(vorticity))
    subgrid_hat = grid.multiply(resolved, grid.to_spectral(subgrid_tendency))
    return (
        grid.to_physical(vorticity_hat),
        grid.to_physical(grid.inverse_laplacian(vorticity_hat)),
        grid.to_physical(subgrid_hat),
    )


def _fine_grid(dns: xr.Dataset, coarse: SpectralGrid) -> SpectralGrid:
    size = dns.sizes["x"]
    length = _length(dns["x"].values)
    if not np.allclose([coarse.length_x, coarse.length_y], length, rtol=1e-5):
        raise DataError(
            f"The DNS covers {length:.6g} m x {length:.6g} m, but the coarse grid "
            f"{coarse.length_x:.6g} m x {coarse.length_y:.6g} m; build the grid to match."
        )
    if coarse.nx > size or coarse.ny > size:
        raise DataError(
            f"The coarse grid of {coarse.nx} x {coarse.ny} points is finer than the DNS of "
            f"{size} x {size}; take a smaller grid."
        )
    return SpectralGrid(size, length_x=coarse.length_x, length_y=coarse.length_y)


def _length(x: np.ndarray) -> float:
    return float((x[-1] - x[0]) * x.size / (x.size - 1))


def label_pairs(
    fields: dict[str, np.ndarray], time: np.ndarray, grid: SpectralGrid, attrs: dict
) -> xr.Dataset:
    """A Dataset of pairs, from the arrays of the three variables."""
    data = {
        name: (
            ("time", "x", "y"),
            fields[name],
            {"units": units, "long_name": long_name},
        )
        for name, (units, long_name) in _LABELS.items()
    }
    coords = {
        "time": ("time", time, {"units": "s", "long_name": "model time"}),
        "x": ("x", grid.x, {"units": "m", "long_name": "x coordinate"}),
        "y": ("y", grid.y, {"units": "m", "long_name": "y coordinate"}),
    }
    return xr.Dataset(data, coords=coords, attrs=attrs)

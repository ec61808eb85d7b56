"""The checks that every file passes before any work starts, each with one clear message."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CLASSIC_SIGNATURES = (b"CDF\x01", b"CDF\x02")
_SPELLINGS = {"sec": "s", "second": "s", "seconds": "s", "meter": "m", "metre": "m"}


def open_netcdf(path: str | os.PathLike) -> xr.Dataset:
    """Opens a netCDF file, lazily if it is netCDF 4, with times left as numbers.

    Raises `DataError` if the file is missing, is not netCDF, or is damaged or truncated.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {str(path)!r}; check the path.")
    with path.open("rb") as file:
        signature = file.read(8)
    if signature == _HDF5_SIGNATURE:
        options: dict = {"engine": "netcdf4", "cache": False}
    elif signature[:4] in _CLASSIC_SIGNATURES:
        # The netCDF library reads zeros beyond the end of a truncated classic file.
        options = {"engine": "scipy", "mmap": False}
    else:
        raise DataError(f"{str(path)!r} is not a netCDF 4 or 3 file; convert it to netCDF 4.")
    try:
        return xr.open_dataset(path, decode_times=False, **options)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"{str(path)!r} is damaged or truncated ({error}); copy or download it again."
        ) from error


def check_snapshots(dataset: xr.Dataset, source: str, units: Mapping[str, str]) -> xr.Dataset:
    """Checks snapshots on a periodic square grid and labels what the file left without units.

    **Arguments:**

    - `dataset`: with the dims `time`, `x`, `y` and their coordinates.
    - `source`: how messages call it.
    - `units`: the required variables, and their units.

    Raises `DataError` for a missing variable or coordinate, wrong dims, dtype or units, an
    unequal grid, or values that are not finite.
    """
    for name, expected in units.items():
        check_variable(dataset, source, name, ("time", "x", "y"), expected)
    for name, expected in (("time", "s"), ("x", "m"), ("y", "m")):
        check_variable(dataset, source, name, (name,), expected, kinds="fiu")
    _check_times(dataset, source)
    _check_axes(dataset, source)
    for name in units:
        _check_finite(dataset, source, name)
    labelled = dataset.copy()
    for name, expected in {**units, "time": "s", "x": "m", "y": "m"}.items():
        labelled[name].attrs["units"] = expected
    return labelled


def check_variable(
    dataset: xr.Dataset,
    source: str,
    name: str,
    dims: tuple[str, ...],
    units: str,
    kinds: str = "f",
) -> None:
    """Raises `DataError` unless the variable is there with these dims, units and dtype kind."""
    if name not in dataset.variables:
        raise DataError(
            f"{source} has no variable {name!r}; it has {sorted(map(str, dataset.variables))}. "
            "Rename or add the variable."
        )
    variable = dataset[name]
    if variable.dims != dims:
        raise DataError(
            f"{name!r} in {source} has dims {variable.dims}, expected {dims}; "
            "rename or transpose them."
        )
    if variable.dtype.kind not in kinds:
        raise DataError(
            f"{name!r} in {source} is of type {variable.dtype}, expected floating-point numbers; "
            "convert it."
        )
    found = variable.attrs.get("units")
    if found is not None and _canonical(str(found)) != units:
        raise DataError(
            f"{name!r} in {source} has units {found!r}, expected {units!r}; convert the values."
        )


def _canonical(units: str) -> str:
    """The spelling that CF uses: `s-1` for `1/s`, `s^-1` or `s**-1`."""
    text = units.replace("**", "").replace("^", "").replace("*", " ")
    text = re.sub(r"/\s*([A-Za-z]+)(\d*)", lambda match: f" {match[1]}-{match[2] or 1}", text)
    factors = [_SPELLINGS.get(factor, factor) for factor in text.split() if factor != "1"]
    return " ".join(factors) or "1"


def _check_times(dataset: xr.Dataset, source: str) -> None:
    time = dataset["time"].values
    if time.size == 0:
        raise DataError(f"{source} holds no snapshots: 'time' is empty.")
    if not (np.isfinite(time).all() and (np.diff(time) > 0).all()):
        raise DataError(f"'time' in {source} does not increase strictly; sort the snapshots.")


def _check_axes(dataset: xr.Dataset, source: str) -> None:
    spacings = {}
    for name in ("x", "y"):
        values = dataset[name].values.astype(float)
        if values.size < 4 or values.size % 2:
            raise DataError(
                f"{name!r} in {source} has {values.size} points, expected an even number of at "
                "least 4; if the last point repeats the first, drop it."
            )
        steps = np.diff(values)
        spacings[name] = (values[-1] - values[0]) / (values.size - 1)
        uniform = np.allclose(steps, spacings[name], rtol=1e-3, atol=0)
        if not (np.isfinite(values).all() and spacings[name] > 0 and uniform):
            raise DataError(
                f"{name!r} in {source} is not an increasing uniform coordinate; a periodic "
                "spectral grid needs one spacing."
            )
    sizes = dataset.sizes
    equal = np.isclose(spacings["x"], spacings["y"], rtol=1e-5, atol=0)
    if sizes["x"] != sizes["y"] or not equal:
        raise DataError(
            f"'x' and 'y' in {source} make an unequal grid: {sizes['x']} x {sizes['y']} points "
            f"of {spacings['x']:.6g} m x {spacings['y']:.6g} m, expected a square one; "
            "resample the data."
        )


def _check_finite(dataset: xr.Dataset, source: str, name: str) -> None:
    for index in range(dataset.sizes["time"]):
        try:
            snapshot = dataset[name].isel(time=index).values
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{name!r} in {source} cannot be read at time index {index} ({error}): the file "
                "is damaged or truncated; copy or download it again."
            ) from error
        if not np.isfinite(snapshot).all():
            raise DataError(
                f"{name!r} in {source} is NaN or infinite at time index {index} "
                f"(t = {float(dataset['time'][index]):g} s); remove or repair that snapshot."
            )


def require(dataset: xr.Dataset, source: str, names: Iterable[str]) -> None:
    """Raises `DataError` unless all the variables are there."""
    missing = [name for name in names if name not in dataset.variables]
    if missing:
        raise DataError(f"{source} lacks the variables {missing}; expected a complete file.")

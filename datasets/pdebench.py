import os
from collections.abc import Iterable

import xarray as xr

from closurax.physics.errors import DataError

from .hdf5 import check_sizes, open_hdf5_group, with_dims

_SPACE = ("x", "y", "z")


def open_pdebench(path: str | os.PathLike, names: Iterable[str]) -> xr.Dataset:
    """Opens arrays of a file of PDEBench (Takamoto et al. 2022, arXiv 2210.07182).

    Such HDF5 files hold `x-coordinate`, `y-coordinate`, `z-coordinate` and `t-coordinate`, as
    many as there are axes, and arrays over `(sample, time, x, y, z)` or without the time, such
    as `tensor` and `nu`. A time axis of one entry is dropped. Where there is one time more than
    fields, as in their files for one-dimensional problems, the last one is left out.

    The Dataset is lazy and has the dims `sample`, `time`, `x`, `y`, `z`.

    Raises `DataError` if the file is damaged, or an array is missing or has other axes.
    """
    source = repr(str(path))
    raw = open_hdf5_group(path)
    try:
        return _labelled(raw, source, names)
    except DataError:
        raw.close()
        raise


def _labelled(raw: xr.Dataset, source: str, names: Iterable[str]) -> xr.Dataset:
    space = tuple(axis for axis in _SPACE if f"{axis}-coordinate" in raw.variables)
    times = raw.variables.get("t-coordinate")
    coordinates = {axis: with_dims(raw.variables[f"{axis}-coordinate"], (axis,)) for axis in space}
    fields: dict[str, xr.Variable] = {}
    for name in names:
        if name not in raw.variables:
            known = sorted(str(key) for key in raw.variables if "coordinate" not in str(key))
            raise DataError(f"{source} has no array {name!r}; it has {known}. Name one of these.")
        variable = raw.variables[name]
        if variable.ndim == len(space) + 1:
            fields[name] = with_dims(variable, ("sample", *space))
        elif variable.ndim == len(space) + 2:
            variable = with_dims(variable, ("sample", "time", *space))
            fields[name] = variable.isel(time=0) if variable.sizes["time"] == 1 else variable
        else:
            raise DataError(
                f"{name!r} in {source} has {variable.ndim} axes, expected ('sample', "
                f"{', '.join(map(repr, space))}), maybe with 'time' after the first; reshape it."
            )
    check_sizes(source, coordinates | fields)
    frames = {field.sizes["time"] for field in fields.values() if "time" in field.dims}
    if frames:
        (count,) = frames
        if times is None or times.size not in (count, count + 1):
            found = "no 't-coordinate'" if times is None else f"{times.size} times"
            raise DataError(
                f"{source} holds {count} fields in time, but {found}; add or cut the times."
            )
        coordinates["time"] = with_dims(times, ("time",)).isel(time=slice(count))
    dataset = xr.Dataset(fields, coords=coordinates, attrs=raw.attrs)
    dataset.set_close(raw.close)
    return dataset

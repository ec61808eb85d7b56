"""Data sets that operators are learned from: fields in, fields out, one pair a sample."""

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .hdf5 import open_hdf5
from .pdebench import open_pdebench
from .the_well import open_the_well
from .validation import open_netcdf

# What the check of the values reads at once, and a dask chunk, if a sample is not larger.
_BLOCK_BYTES = 32 * 2**20
_CHUNK_BYTES = 2 * 2**20
_NOT_SPACE = ("sample", "time", "component", "second_component")


def open_fields(
    path: str | os.PathLike,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    check_values: bool = True,
    chunked: bool = True,
) -> xr.Dataset:
    """Opens the fields that an operator maps from and to, after checking them.

    **Arguments:**

    - `path`: of a netCDF file, such as `generate_darcy` and `generate_helmholtz` write, with
        variables over `(sample, x, y)`, maybe with `time` after `sample`, or with other names
        of the spatial dims; or of an HDF5 file in the layout of PDEBench (`open_pdebench`) or
        The Well (`open_the_well`).
    - `inputs`, `outputs`: names of variables.
    - `check_values`: whether all values are read once and checked. Without it, a file larger
        than memory opens at once.
    - `chunked`: whether the values come in dask chunks of whole samples, if dask is installed.
        Without them one sample is read faster, as for `lazy_samples`; but computing with a
        variable reads all of it.

    The Dataset holds these variables, with `sample` as the first dim, and their coordinates.
    The values stay on disk until they are used. Units that are absent are taken to be "1".

    Raises `DataError` if the file is missing, damaged or truncated, a variable is missing, not
    of numbers or not over samples, variables have different grids or sizes, a grid is not
    uniform, times do not increase, or a value is not finite.
    """
    source = repr(str(path))
    names = list(dict.fromkeys([*inputs, *outputs]))
    if not inputs or not outputs:
        raise DataError(f"Name at least one of `inputs` and `outputs`: {inputs}, {outputs}.")
    dataset = _opened(path, names)
    close = dataset.close
    try:
        _check_variables(dataset, source, names)
        dataset = dataset[names]
        for dim in _space(dataset):
            _check_uniform(dataset, source, dim)
        if "time" in dataset.coords:
            _check_times(dataset, source)
        if check_values:
            for name in names:
                _check_finite(dataset, source, name)
    except DataError:
        close()
        raise
    for variable in dataset.variables.values():
        variable.attrs.setdefault("units", "1")
    if chunked and importlib.util.find_spec("dask") is not None:
        dataset = dataset.chunk(sample=_samples_in(_CHUNK_BYTES, dataset, names))
    dataset.set_close(close)
    return dataset


def _opened(path: str | os.PathLike, names: list[str]) -> xr.Dataset:
    if _is_hdf5(Path(path)):
        with open_hdf5(path) as file:
            members = set(file.keys())
        if "dimensions" in members and members & {"t0_fields", "t1_fields", "t2_fields"}:
            return open_the_well(path, names)
        if any(member.endswith("-coordinate") for member in members):
            return open_pdebench(path, names)
    return open_netcdf(path)


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x89HDF"


def _check_variables(dataset: xr.Dataset, source: str, names: list[str]) -> None:
    for name in names:
        if name not in dataset.data_vars:
            raise DataError(
                f"{source} has no variable {name!r}; it has {sorted(map(str, dataset.data_vars))}. "
                "Name one of these."
            )
        variable = dataset[name]
        if variable.dtype.kind not in "fiub":
            raise DataError(
                f"{name!r} in {source} is of type {variable.dtype}, expected numbers; convert it."
            )
        if variable.dims[:1] != ("sample",):
            raise DataError(
                f"{name!r} in {source} has dims {variable.dims}, expected 'sample' as the first; "
                "rename or transpose them."
            )
        if "time" in variable.dims and variable.dims[1] != "time":
            raise DataError(
                f"{name!r} in {source} has dims {variable.dims}, expected 'time' as the second; "
                "transpose them."
            )
        if not variable.sizes["sample"]:
            raise DataError(f"{source} holds no samples: 'sample' is empty.")
    grids = {name: _space(dataset[name]) for name in names}
    largest = max(grids, key=lambda name: len(grids[name]))
    for name, grid in grids.items():
        if grid != tuple(dim for dim in grids[largest] if dim in grid):
            raise DataError(
                f"{name!r} in {source} is on the grid {_sizes(dataset[name])}, but {largest!r} "
                f"on {_sizes(dataset[largest])}; resample one of them."
            )
        for dim in grid:
            if dim not in dataset.coords:
                raise DataError(f"{source} has no coordinate {dim!r} for {name!r}; add it.")


def _space(data: xr.Dataset | xr.DataArray) -> tuple[str, ...]:
    return tuple(str(dim) for dim in data.dims if dim not in _NOT_SPACE)


def _sizes(variable: xr.DataArray) -> str:
    return ", ".join(f"{dim}: {variable.sizes[dim]}" for dim in _space(variable))


def _check_uniform(dataset: xr.Dataset, source: str, dim: str) -> None:
    values = dataset[dim].values.astype(float)
    steps = np.diff(values)
    spacing = (values[-1] - values[0]) / max(1, values.size - 1)
    uniform = values.size >= 2 and np.allclose(steps, spacing, rtol=1e-3, atol=0)
    if not (np.isfinite(values).all() and spacing > 0 and uniform):
        raise DataError(
            f"{dim!r} in {source} is not an increasing uniform coordinate; resample the fields to "
            "one spacing."
        )


def _check_times(dataset: xr.Dataset, source: str) -> None:
    times = dataset["time"].values.astype(float)
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise DataError(f"'time' in {source} does not increase strictly; sort the fields.")


def _check_finite(dataset: xr.Dataset, source: str, name: str) -> None:
    block = _samples_in(_BLOCK_BYTES, dataset, [name])
    for start in range(0, dataset.sizes["sample"], block):
        try:
            values = dataset[name].isel(sample=slice(start, start + block)).values
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{name!r} in {source} cannot be read from sample {start} on ({error}): the file "
                "is damaged or truncated; copy or download it again."
            ) from error
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            index = start + int(finite.argmin())
            raise DataError(
                f"{name!r} in {source} is NaN or infinite in sample {index}; remove or repair it."
            )


def _samples_in(size: int, dataset: xr.Dataset, names: list[str]) -> int:
    """How many samples of the largest variable fit into `size` bytes; at least one."""
    largest = max(
        math.prod(dataset[name].shape[1:]) * dataset[name].dtype.itemsize for name in names
    )
    return max(1, min(dataset.sizes["sample"], size // max(1, largest)))

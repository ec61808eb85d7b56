"""Arrays of HDF5 files that name no dims, as xarray sees them."""

import os
from collections.abc import Mapping

import h5py
import xarray as xr

from closurax.physics.errors import DataError


def open_hdf5(path: str | os.PathLike) -> h5py.File:
    """Opens an HDF5 file for reading; raises `DataError` if it is damaged or truncated."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise damaged(path, error) from error


def open_hdf5_group(path: str | os.PathLike, group: str | None = None) -> xr.Dataset:
    """The arrays of one group; dims without a name are called `phony_dim_0` and so on.

    The values stay on disk until they are used, and are not kept then.

    Raises `DataError` if the file is damaged or truncated.
    """
    try:
        return xr.open_dataset(
            path,
            engine="h5netcdf",
            group=group,
            phony_dims="access",
            decode_times=False,
            cache=False,
        )
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: str | os.PathLike, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(
        f"{str(path)!r} is damaged or truncated ({reason}); copy or download it again."
    )


def with_dims(variable: xr.Variable, dims: tuple[str, ...]) -> xr.Variable:
    """The same lazy values under other names of the dims."""
    renamed = variable.copy(deep=False)
    renamed.dims = dims
    return renamed


def check_sizes(source: str, variables: Mapping[str, xr.Variable]) -> None:
    """Raises `DataError` if a dim has different sizes in two variables."""
    known: dict = {}
    for name, variable in variables.items():
        for dim, size in zip(variable.dims, variable.shape, strict=True):
            first, expected = known.setdefault(dim, (name, size))
            if size != expected:
                raise DataError(
                    f"{name!r} in {source} has {size} points along {dim!r}, but {first!r} has "
                    f"{expected}; cut or resample one of them."
                )

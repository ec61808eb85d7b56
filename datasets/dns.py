"""Direct numerical simulations of two-dimensional turbulence as files."""

import os

import xarray as xr

from .netcdf_output import write_netcdf
from .validation import check_snapshots, open_netcdf


def open_dns(path: str | os.PathLike) -> xr.Dataset:
    """Opens the snapshots of a direct numerical simulation, after checking all of them.

    The file holds `vorticity(time, x, y)` in s-1 on a square, doubly periodic, uniform grid,
    with the coordinates `time` in s and `x`, `y` in m. Units that are absent are taken to be
    these. Everything else in the file comes along unchecked. The values stay on disk until
    they are used.

    Raises `DataError`, before any work, if the file is missing, damaged or truncated, or if
    a variable, dims, dtype, units, the grid or a value is not as above.
    """
    return check_snapshots(open_netcdf(path), repr(str(path)), {"vorticity": "s-1"})


def write_dns(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Writes a Dataset as compressed netCDF 4, one chunk a snapshot.

    The file appears under its name only when it is complete.
    """
    encoding = {
        name: {"zlib": True, "shuffle": True, "complevel": 6, "_FillValue": None}
        | ({"chunksizes": (1, *variable.shape[1:])} if variable.dims[:1] == ("time",) else {})
        for name, variable in dataset.data_vars.items()
        if variable.ndim > 0
    }
    encoding |= {name: {"_FillValue": None} for name in dataset.coords}
    write_netcdf(dataset, path, encoding)

"""Files of runs: the vorticity packed into integers, and everything else as it is."""

import os
from pathlib import Path

import numpy as np
import xarray as xr

_LARGEST = np.iinfo(np.int16).max


def write_run(run: xr.Dataset, path: str | os.PathLike) -> None:
    """Writes the Dataset of a run as compressed CF netCDF, in one go.

    The vorticity is packed into 16-bit integers with a step of 1/1000 of its standard deviation
    at the start; where that cannot hold the largest value, as in a run that is about to blow
    up, it stays in single precision.
    """
    vorticity = run["vorticity"].values
    step = 1e-3 * float(np.nanstd(vorticity[:, 0].astype(float)))
    packs = np.nanmax(np.abs(vorticity)) < step * _LARGEST
    encoding = {
        "vorticity": {
            "zlib": True,
            "complevel": 4,
            "shuffle": True,
            "chunksizes": (1, min(16, vorticity.shape[1]), *vorticity.shape[2:]),
            **(
                {"dtype": "int16", "scale_factor": step, "_FillValue": -_LARGEST - 1}
                if packs
                else {"dtype": "float32", "_FillValue": np.float32(np.nan)}
            ),
        }
    }
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    run.to_netcdf(partial, engine="netcdf4", encoding=encoding)
    os.replace(partial, path)


def open_run(path: str | os.PathLike) -> xr.Dataset:
    """Reads a run into memory, with the vorticity in single precision."""
    with xr.open_dataset(path, engine="netcdf4", decode_times=False) as run:
        run = run.load()
    return run.assign(vorticity=run["vorticity"].astype(np.float32))

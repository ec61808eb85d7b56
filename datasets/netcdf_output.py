import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr


def write_netcdf(
    dataset: xr.Dataset, path: str | os.PathLike, encoding: Mapping[Any, Any] | None = None
) -> None:
    """Writes a file under a temporary name next to its place and then moves it there.

    **Arguments:**

    - `encoding`: of the variables, for `xarray.Dataset.to_netcdf`; what they were read with
        does not count.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        dataset.drop_encoding().to_netcdf(partial, engine="netcdf4", encoding=encoding)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)

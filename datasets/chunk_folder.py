"""The folder in which the chunks of a file wait until all are there, whenever that is."""

import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from closurax.physics.errors import DataError

from .validation import open_netcdf

_SETTINGS = "settings.json"


def chunk_folder(path: Path, settings: Mapping[str, Any], resume: bool) -> Path | None:
    """The folder `PATH.chunks` for what is generated with `settings`, or `None` if it is done.

    **Arguments:**

    - `path`: of the netCDF file that the chunks become; it has `settings` as attributes.
    - `settings`: strings and numbers, recorded in the folder.
    - `resume`: whether chunks or a file may be there already.

    Raises `DataError` if they may not, or were made with other settings.
    """
    folder = path.with_name(path.name + ".chunks")
    for place in (path, folder):
        if place.exists() and not resume:
            raise DataError(f"{str(place)!r} exists; resume it, or choose another path.")
    if path.exists():
        with open_netcdf(path) as finished:
            _check_settings(path, finished.attrs, settings)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    file = folder / _SETTINGS
    if file.exists():
        _check_settings(folder, json.loads(file.read_text(encoding="utf-8")), settings)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    os.replace(partial, file)
    return folder


def _check_settings(place: Path, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    for name, wanted in settings.items():
        value = found.get(name)
        value = value.item() if isinstance(value, np.generic) else value
        same = math.isclose(value, wanted) if isinstance(value, float) else value == wanted
        if not same:
            raise DataError(
                f"{str(place)!r} was made with {name} = {value!r}, not {wanted!r}; resume with "
                "its settings, or choose another path."
            )

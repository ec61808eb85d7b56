"""Soundings from which columns are drawn: the parents of a file of columns, and those that ship."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .column_validation import saturation_mixing_ratio
from .convection_columns import split_by_sounding
from .netcdf_output import write_netcdf
from .validation import open_netcdf

_SHIPPED = Path(__file__).with_name("data") / "sars_soundings.nc"

_LABELS = {
    "surface_pressure": ("Pa", "surface pressure", "surface_air_pressure"),
    "air_temperature": ("K", "air temperature", "air_temperature"),
    "relative_humidity": ("1", "relative humidity over water", "relative_humidity"),
    "eastward_wind": ("m s-1", "eastward wind", "eastward_wind"),
    "northward_wind": ("m s-1", "northward wind", "northward_wind"),
}
_STEPS = {
    "surface_pressure": 1.0,
    "air_temperature": 0.01,
    "relative_humidity": 1e-4,
    "eastward_wind": 0.01,
    "northward_wind": 0.01,
}


def parent_soundings(columns: xr.Dataset) -> xr.Dataset:
    """The soundings that columns were made from, as the mean of the columns of each.

    **Arguments:**

    - `columns`: as `open_convection_columns` returns it, with the terrain-following coordinate
        `eta_w(level_w)` and its attribute `ptop_Pa`.

    **Returns:**

    `surface_pressure(sounding)` in Pa; `air_temperature` in K, `relative_humidity`,
    `eastward_wind` and `northward_wind` in m s-1, over `(sounding, level)`; `name(sounding)`;
    and `eta(level_w)`, with `p = top_pressure + eta (surface_pressure - top_pressure)`.

    Raises `DataError` if the columns have no such coordinate.
    """
    if "eta_w" not in columns.variables or "ptop_Pa" not in columns["eta_w"].attrs:
        raise DataError(
            "The columns have no coordinate 'eta_w' with the attribute 'ptop_Pa', so their "
            "soundings cannot be moved to other surface pressures; add it."
        )
    parents, index = np.unique(np.asarray(columns["sounding_index"]), return_inverse=True)
    pressure, temperature = (np.asarray(columns[name], float) for name in ("p", "t"))
    humidity = np.asarray(columns["qv"], float) / saturation_mixing_ratio(pressure, temperature)
    fields = {
        "surface_pressure": np.asarray(columns["ps"], float),
        "air_temperature": temperature,
        "relative_humidity": humidity,
        "eastward_wind": np.asarray(columns["u"], float),
        "northward_wind": np.asarray(columns["v"], float),
    }
    count = np.bincount(index).astype(float)
    means = {}
    for name, values in fields.items():
        total = np.zeros((parents.size, *values.shape[1:]))
        np.add.at(total, index, values)
        means[name] = total / count.reshape(-1, *(1,) * (values.ndim - 1))
    names = np.asarray(columns["sounding_name"]).astype(str)[parents]
    eta = columns["eta_w"]
    return _label(means, names, np.asarray(eta, float), float(eta.attrs["ptop_Pa"]))


def sars_soundings() -> xr.Dataset:
    """The proximity soundings of severe storms that ship with closurax, as `parent_soundings`.

    From the database of the Storm Prediction Center's analogue system (Jewell 2010, 25th Conf.
    on Severe Local Storms), in the public domain, on 40 layers. Many of the supercell soundings
    are model profiles.

    Raises `DataError` if the installation lacks the file.
    """
    if not _SHIPPED.is_file():
        raise DataError(f"This installation lacks {_SHIPPED.name!r}; install closurax again.")
    with open_netcdf(_SHIPPED) as dataset:
        return dataset.load()


def write_soundings(soundings: xr.Dataset, path: str | os.PathLike) -> None:
    """Writes soundings packed into 16-bit integers: 0.01 K, 1e-4, 0.01 m s-1, 1 Pa."""
    encoding: dict = {"eta": {"_FillValue": None}, "name": {"zlib": True}}
    for name, step in _STEPS.items():
        offset = float(np.round(soundings[name].mean(), 2))
        encoding[name] = {
            "dtype": "int16",
            "scale_factor": step,
            "add_offset": offset,
            "_FillValue": np.iinfo(np.int16).min,
            "zlib": True,
            "shuffle": True,
            "complevel": 9,
        }
    write_netcdf(soundings, path, encoding)


def split_soundings(
    soundings: xr.Dataset, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> tuple[xr.Dataset, ...]:
    """Splits soundings like `split_by_sounding`, so that no day occurs in two parts."""
    index = ("column", np.arange(soundings.sizes["sounding"]))
    as_columns = xr.Dataset(
        {"sounding_index": index, "sounding_name": ("sounding", soundings["name"].values)}
    )
    parts = split_by_sounding(as_columns, fractions, seed)
    return tuple(soundings.isel(sounding=part["sounding_index"].values) for part in parts)


def _label(
    fields: dict[str, np.ndarray], names: np.ndarray, eta: np.ndarray, top: float
) -> xr.Dataset:
    data: dict = {"name": ("sounding", names, {"long_name": "collection, kind and file"})}
    for name, values in fields.items():
        units, long_name, standard_name = _LABELS[name]
        attrs = {"units": units, "long_name": long_name, "standard_name": standard_name}
        dims = ("sounding", "level")[: values.ndim]
        data[name] = (dims, values.astype(np.float32), attrs)
    attrs = {"units": "1", "long_name": "terrain-following coordinate at the interfaces"}
    data["eta"] = ("level_w", eta, attrs)
    attrs = {"units": "Pa", "long_name": "pressure at the top"}
    data["top_pressure"] = ((), top, attrs)
    return xr.Dataset(data, attrs={"Conventions": "CF-1.11", "title": "parent soundings"})

"""How the outputs of a column are labelled, after the CF conventions."""

import numpy as np
import xarray as xr

from ..model import OutputVariable

_LEVELS = ("level",)

OUTPUT_VARIABLES = {
    "air_pressure": OutputVariable(_LEVELS, "Pa", "air pressure", "air_pressure"),
    "air_temperature": OutputVariable(_LEVELS, "K", "air temperature", "air_temperature"),
    "humidity_mixing_ratio": OutputVariable(
        _LEVELS, "kg kg-1", "water vapour mixing ratio", "humidity_mixing_ratio"
    ),
    "cloud_liquid_water_mixing_ratio": OutputVariable(
        _LEVELS, "kg kg-1", "cloud water mixing ratio", "cloud_liquid_water_mixing_ratio"
    ),
    "cloud_ice_mixing_ratio": OutputVariable(
        _LEVELS, "kg kg-1", "cloud ice mixing ratio", "cloud_ice_mixing_ratio"
    ),
    "rain_mixing_ratio": OutputVariable(_LEVELS, "kg kg-1", "rain mixing ratio"),
    "snow_mixing_ratio": OutputVariable(_LEVELS, "kg kg-1", "snow mixing ratio"),
    "eastward_wind": OutputVariable(_LEVELS, "m s-1", "eastward wind", "eastward_wind"),
    "northward_wind": OutputVariable(_LEVELS, "m s-1", "northward wind", "northward_wind"),
    "convective_warming": OutputVariable(
        _LEVELS, "K", "temperature change by convection since the start"
    ),
    "convective_moistening": OutputVariable(
        _LEVELS, "kg kg-1", "vapour change by convection since the start"
    ),
    "upward_air_velocity": OutputVariable(
        ("level_w",), "m s-1", "vertical velocity as convection sees it", "upward_air_velocity"
    ),
    "precipitable_water": OutputVariable(
        (), "kg m-2", "water vapour in the column", "atmosphere_mass_content_of_water_vapor"
    ),
    "convective_precipitation": OutputVariable(
        (), "kg m-2", "convective precipitation since the start", "convective_precipitation_amount"
    ),
    "grid_scale_precipitation": OutputVariable(
        (), "kg m-2", "grid-scale precipitation since the start", "stratiform_precipitation_amount"
    ),
    "call_time": OutputVariable((), "s", "time in which the convection scheme was called anew"),
    "fallback_time": OutputVariable((), "s", "time in which a guard fell back"),
    "convection_class": OutputVariable((), "1", "convection class: 0 none, 1 deep, 2 shallow"),
    "cloud_base_level": OutputVariable((), "1", "level of the cloud base, from 1 at the ground"),
    "cloud_top_level": OutputVariable((), "1", "level of the cloud top, from 1 at the ground"),
    "remaining_lifetime": OutputVariable((), "s", "remaining lifetime of the convection"),
    "fallback": OutputVariable((), "1", "whether a guard falls back on another scheme"),
    "envelope_score": OutputVariable((), "1", "distance from what a learned scheme has seen"),
}

_RATES = {
    "convective_precipitation_rate": (
        "convective_precipitation", "kg m-2 s-1", "convective precipitation rate",
        "convective_precipitation_flux",
    ),
    "grid_scale_precipitation_rate": (
        "grid_scale_precipitation", "kg m-2 s-1", "grid-scale precipitation rate",
        "stratiform_precipitation_flux",
    ),
    "convective_heating_rate": (
        "convective_warming", "K s-1", "heating by convection",
        "tendency_of_air_temperature_due_to_convection",
    ),
    "convective_moistening_rate": (
        "convective_moistening", "kg kg-1 s-1", "moistening by convection", None,
    ),
    "call_fraction": ("call_time", "1", "fraction of steps in which convection was called", None),
    "fallback_fraction": ("fallback_time", "1", "fraction of time on a fallback", None),
}  # fmt: skip


def add_rates(dataset: xr.Dataset) -> xr.Dataset:
    """Adds the means over each interval between saves of what grew, NaN at the first time."""
    interval = dataset["time"].diff("time")
    rates = {}
    for name, (amount, units, long_name, standard_name) in _RATES.items():
        rate = (dataset[amount].diff("time") / interval).reindex(time=dataset["time"])
        rate = rate.astype(dataset[amount].dtype).transpose(*dataset[amount].dims)
        rate.attrs = {
            "units": units,
            "long_name": f"{long_name}, mean since the time before",
            "cell_methods": "time: mean",
        }
        if standard_name is not None:
            rate.attrs["standard_name"] = standard_name
        rates[name] = rate
    total = rates["convective_precipitation_rate"] + rates["grid_scale_precipitation_rate"]
    total.attrs = {
        **rates["convective_precipitation_rate"].attrs,
        "long_name": "precipitation rate, mean since the time before",
        "standard_name": "precipitation_flux",
    }
    return dataset.assign({**rates, "precipitation_rate": total})


def level_coordinates(count: int) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """The numbers of the layers, from 1, and of the interfaces, from 0 at the ground."""
    attrs = {"units": "1", "positive": "up"}
    return {
        "level": (
            "level", np.arange(1, count + 1), {**attrs, "long_name": "layer from the ground"},
        ),
        "level_w": (
            "level_w", np.arange(count + 1), {**attrs, "long_name": "interface from the ground"},
        ),
    }  # fmt: skip

"""The units and long names of the variables of a column case."""

import re
from collections.abc import Mapping

import numpy as np
import xarray as xr

UNITS = {
    "time": ("s", "time since the start"),
    "air_pressure": ("Pa", "pressure of the layers"),
    "interface_pressure": ("Pa", "pressure of the interfaces"),
    "surface_pressure": ("Pa", "pressure at the ground"),
    "air_temperature": ("K", "temperature"),
    "vapour_mixing_ratio": ("kg kg-1", "mixing ratio of water vapour"),
    "eastward_wind": ("m s-1", "eastward wind"),
    "northward_wind": ("m s-1", "northward wind"),
    "vertical_velocity": ("m s-1", "vertical velocity at the interfaces"),
    "mean_vertical_velocity": ("m s-1", "running mean of the vertical velocity"),
    "pressure_velocity": ("Pa s-1", "large-scale pressure velocity at the interfaces"),
    "gust": ("1", "vertical motion that only convection sees, of unit variance"),
    "gust_speed": ("m s-1", "vertical velocity of a gust of one"),
    "gust_depth": ("m", "height of the top of gusts"),
    "temperature_advection": ("K s-1", "horizontal advection of temperature"),
    "vapour_advection": ("kg kg-1 s-1", "horizontal advection of water vapour"),
    "eastward_wind_advection": ("m s-2", "horizontal advection of the eastward wind"),
    "northward_wind_advection": ("m s-2", "horizontal advection of the northward wind"),
    "radiative_heating": ("K s-1", "radiative heating"),
    "temperature_relaxation_time": ("s", "time scale of the relaxation of temperature"),
    "vapour_relaxation_time": ("s", "time scale of the relaxation of water vapour"),
    "wind_relaxation_time": ("s", "time scale of the relaxation of the wind"),
    "coriolis_parameter": ("s-1", "Coriolis parameter"),
    "sensible_heat_flux": ("W m-2", "upward sensible heat flux at the ground"),
    "latent_heat_flux": ("W m-2", "upward latent heat flux at the ground"),
    "surface_temperature": ("K", "temperature of the ground"),
    "friction_velocity": ("m s-1", "friction velocity"),
    "boundary_layer_height": ("m", "height of the boundary layer"),
    "stability_parameter": ("1", "z/L at the lowest level"),
    "grid_spacing": ("m", "horizontal grid spacing"),
    "time_step": ("s", "time step"),
    "grid_scale_precipitation_rate": ("kg m-2 s-1", "grid-scale precipitation rate"),
    "precipitation_rate": ("kg m-2 s-1", "convective precipitation rate"),
    "remaining_lifetime": ("s", "remaining lifetime of the convection"),
    "potential_temperature_tendency": ("K s-1", "convective tendency of potential temperature"),
    "vapour_tendency": ("kg kg-1 s-1", "convective tendency of water vapour"),
    "cloud_water_tendency": ("kg kg-1 s-1", "convective tendency of liquid water"),
    "cloud_ice_tendency": ("kg kg-1 s-1", "convective tendency of ice"),
    "convection_class": ("1", "0 none, 1 deep, 2 shallow"),
    "scheme_called": ("1", "1 if the convection scheme was called anew"),
}
_ROLES = {
    "initial": "initial ",
    "target": "given ",
    "geostrophic": "geostrophic ",
    "reference": "reference ",
    "recorded": "recorded ",
}


def label(case: xr.Dataset, attrs: Mapping[str, str]) -> xr.Dataset:
    """The case with units, long names and attributes, all of it in 64 bits."""
    labelled = case.copy()
    for name in map(str, case.variables):
        role, _, quantity = name.partition("_")
        role, quantity = (_ROLES[role], quantity) if role in _ROLES else ("", name)
        units, long_name = UNITS[quantity]
        labelled[name] = labelled[name].astype(np.float64)
        labelled[name].attrs = {"units": units, "long_name": role + long_name}
    labelled.attrs = {"Conventions": "CF-1.11", **attrs}
    return labelled


def tidy(text: str) -> str:
    """One line of text."""
    return re.sub(r"\s+", " ", text).strip()

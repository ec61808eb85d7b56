"""Cases for a column of the atmosphere: two layouts of files, one set of names."""

import os
from pathlib import Path

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .column_case_names import label
from .column_validation import check_columns, check_pressure
from .dephy_case import is_dephy, read_dephy
from .validation import open_netcdf

_PROFILE, _INTERFACES, _SERIES = ("time", "level"), ("time", "level_w"), ("time",)

_WRF = {
    "p": (("level",), "Pa"),
    "p_int": (("level_w",), "Pa"),
    "time": (_SERIES, "s"),
    "tnta_adv": (_PROFILE, "K s-1"),
    "tnrv_adv": (_PROFILE, "kg kg-1 s-1"),
    "ta_nud": (_PROFILE, "K"),
    "rv_nud": (_PROFILE, "kg kg-1"),
    "ua_nud": (_PROFILE, "m s-1"),
    "va_nud": (_PROFILE, "m s-1"),
    "omega": (_INTERFACES, "Pa s-1"),
    "gust": (_SERIES, "1"),
    "t": (_PROFILE, "K"),
    "qv": (_PROFILE, "kg kg-1"),
}
_WRF_NAMES = {
    "p": "air_pressure",
    "p_int": "interface_pressure",
    "omega": "pressure_velocity",
    "gust": "gust",
    "tnta_adv": "temperature_advection",
    "tnrv_adv": "vapour_advection",
    "ta_nud": "target_air_temperature",
    "rv_nud": "target_vapour_mixing_ratio",
    "ua_nud": "target_eastward_wind",
    "va_nud": "target_northward_wind",
    "t": "reference_air_temperature",
    "qv": "reference_vapour_mixing_ratio",
    "w": "reference_vertical_velocity",
    "w0avg_in": "reference_mean_vertical_velocity",
    "prec_ls": "reference_grid_scale_precipitation_rate",
    "nca_in": "reference_remaining_lifetime",
    "rthcuten": "recorded_potential_temperature_tendency",
    "rqvcuten": "recorded_vapour_tendency",
    "rqccuten": "recorded_cloud_water_tendency",
    "rqicuten": "recorded_cloud_ice_tendency",
    "pratec": "recorded_precipitation_rate",
    "conv_class": "recorded_convection_class",
    "called": "recorded_scheme_called",
}
_WRF_NUMBERS = ("dt", "dx", "tau_relax", "rad_cooling_K_per_s", "hfx", "ust", "pblh", "zol")
_RADIATION_TOP = 2e4


def open_column_case(
    path: str | os.PathLike, interface_pressure: np.ndarray | None = None
) -> xr.Dataset:
    """Reads a case for `AtmosphericColumn.from_case`, checked and in memory.

    Two layouts are known, and told apart by their variables:

    - that of a single-column run with WRF's convection: `p`, `p_int`, `t`, `qv`, `omega`,
      `tnta_adv`, `tnrv_adv`, `ta_nud`, `rv_nud`, `ua_nud`, `va_nud`, `gust`, and the constants as
      attributes. What its convection did is kept as `recorded_...`, the run as `reference_...`;
    - the common format of the DEPHY project, version 1: see `read_dephy`.

    The names of what it returns are listed in `closurax.physics.column.case`.

    **Arguments:**

    - `interface_pressure`: in Pa, the ground first, of the model levels to interpolate a DEPHY
        case to; by default 40 layers up to 60 hPa. The other layout has its own levels.

    Raises `DataError` if the file cannot be read, lacks a variable, or its values cannot be those
    of an atmosphere.
    """
    source = repr(str(path))
    with open_netcdf(path) as dataset:
        if is_dephy(dataset):
            return read_dephy(dataset, source, interface_pressure)
        if "p_int" not in dataset.variables and "tnta_adv" not in dataset.variables:
            raise DataError(
                f"{source} is in no layout of a column case that closurax knows: it has neither "
                "'p_int' nor the initial profiles 'pa', 'ua' and 'va' of the DEPHY format. It has "
                f"{sorted(map(str, dataset.variables))}."
            )
        if interface_pressure is not None:
            raise DataError(
                f"{source} has its own levels: leave out `interface_pressure` for this layout."
            )
        return _from_wrf(dataset, source)


def _from_wrf(dataset: xr.Dataset, source: str) -> xr.Dataset:
    missing = [name for name in _WRF_NUMBERS if name not in dataset.attrs]
    if missing:
        raise DataError(f"{source} lacks the attributes {missing}; add them as numbers.")
    check_columns(
        dataset, source, _WRF, pressure="p", temperature="t", vapour="qv", tolerance=0.05
    )  # fmt: skip
    check_pressure(dataset["p_int"].load(), source)
    numbers = {name: float(dataset.attrs[name]) for name in _WRF_NUMBERS}
    names = {old: new for old, new in _WRF_NAMES.items() if old in dataset.variables}
    case = dataset[list(names)].rename(names).load()
    time = np.asarray(dataset["time"], float)
    case = case.assign_coords(time=("time", time))
    pressure = np.asarray(case["air_pressure"])
    heating = np.where(pressure > _RADIATION_TOP, numbers["rad_cooling_K_per_s"], 0.0)
    relaxation = np.full(pressure.size, numbers["tau_relax"])
    constant = {
        "sensible_heat_flux": "hfx",
        "friction_velocity": "ust",
        "boundary_layer_height": "pblh",
        "stability_parameter": "zol",
    }
    series = {name: ("time", np.full(time.size, numbers[key])) for name, key in constant.items()}
    initial = {
        f"initial_{name}": case[f"{role}_{name}"].isel(time=0, drop=True)
        for role, name in (
            ("reference", "air_temperature"),
            ("reference", "vapour_mixing_ratio"),
            ("target", "eastward_wind"),
            ("target", "northward_wind"),
        )
    }
    prescribed: dict = {
        "radiative_heating": (_PROFILE, np.broadcast_to(heating, (time.size, heating.size))),
        "temperature_relaxation_time": ("level", relaxation),
        "vapour_relaxation_time": ("level", relaxation),
        "grid_spacing": ((), numbers["dx"]),
        "time_step": ((), numbers["dt"]),
    }
    case = case.assign({**prescribed, **initial, **series})
    attrs = {"boundary_layer": "none", "condensate": "re-evaporated"}
    title = str(dataset.attrs.get("title", Path(source.strip("'")).stem))
    return label(case, {"title": title, **attrs, "source": str(dataset.attrs.get("source", ""))})

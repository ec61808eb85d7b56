"""How a case, an `xarray.Dataset`, becomes the parts of a column.

The dims are `time`, `level` and `level_w` (the interfaces), the lowest level first. What is not
listed as required may be left out.

Required are

- `time` in s; `air_pressure(level)` and `interface_pressure(level_w)` in Pa;
- `initial_air_temperature(level)` in K and `initial_vapour_mixing_ratio(level)` in kg kg-1.

Levels that follow the ground have $p = a + b p_s$ with the pressures above as $a$, and

- `pressure_weight(level)` and `interface_pressure_weight(level_w)` as $b$;
  `surface_pressure(time)` in Pa.

Over `(time, level)`, or `(time, level_w)` for what is at interfaces:

- `pressure_velocity(time, level_w)` in Pa s-1: large-scale vertical advection;
- `temperature_advection` in K s-1, `vapour_advection` in kg kg-1 s-1, `eastward_wind_advection`
  and `northward_wind_advection` in m s-2: horizontal advection;
- `radiative_heating` in K s-1;
- `target_air_temperature` in K and `target_vapour_mixing_ratio` in kg kg-1 of a relaxation within
  `temperature_relaxation_time(level)` and `vapour_relaxation_time(level)` in s, very large where
  there is none;
- `target_eastward_wind` and `target_northward_wind` in m s-1, of a relaxation within
  `wind_relaxation_time(level)`; without that, the winds are set to them;
- `geostrophic_eastward_wind` and `geostrophic_northward_wind` in m s-1, with
  `coriolis_parameter` in s-1.

Over `(time,)`:

- `sensible_heat_flux` and `latent_heat_flux` in W m-2, upward; or `surface_temperature` in K,
  from which bulk formulas make them;
- `friction_velocity` in m s-1, `boundary_layer_height` in m, `stability_parameter`;
- `gust`, dimensionless, with the numbers `gust_speed` in m s-1 and `gust_depth` in m: see `Gust`.

For the convection: `initial_eastward_wind(level)` and `initial_northward_wind(level)` in m s-1, and
the numbers `grid_spacing` in m and `time_step` in s.

Attributes: `boundary_layer` is `"diffusive"` (surface fluxes and diffusion) or `"none"`;
`condensate` is `"re-evaporated"` or `"prognostic"`; `advected_winds` is 1 if the large-scale
vertical motion advects the winds. Variables that start with `recorded_` are what a convection
scheme returned, for `RecordedConvection`, and those with `reference_` what a run is compared with.
"""

import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..errors import DataError
from .condensate import AbstractCondensate, Prognostic, Reevaporated
from .diffusion import ImplicitDiffusion
from .fallout import Fallout
from .geostrophic_wind import GeostrophicForcing
from .levels import ColumnLevels
from .prescribed_tendencies import PrescribedTendencies
from .prescribed_wind import PrescribedWind
from .process import AbstractAdjustment, AbstractProcess
from .recorded_convection import RecordedConvection
from .relaxation import Relaxation
from .saturation_adjustment import CloudCondensation, RainOut
from .surface import AbstractSurface, BulkSurface, PrescribedSurface
from .surface_fluxes import SurfaceFluxes
from .time_series import TimeSeries
from .vapour_floor import VapourFloor
from .vertical_advection import VerticalAdvection
from .vertical_motion import Gust, VerticalMotion

_WINDS = ("eastward_wind", "northward_wind")
_ADVECTION = {
    "temperature": "temperature_advection",
    "vapour": "vapour_advection",
    "eastward_wind": "eastward_wind_advection",
    "northward_wind": "northward_wind_advection",
}
_SURFACE = (
    "sensible_heat_flux", "latent_heat_flux", "friction_velocity", "boundary_layer_height",
    "stability_parameter",
)  # fmt: skip
_INITIAL = {
    "temperature": "initial_air_temperature",
    "vapour": "initial_vapour_mixing_ratio",
    "eastward_wind": "initial_eastward_wind",
    "northward_wind": "initial_northward_wind",
}


def case_levels(case: xr.Dataset) -> ColumnLevels:
    """The levels of a case."""
    pressure, interfaces = _values(case, "air_pressure"), _values(case, "interface_pressure")
    if "pressure_weight" not in case:
        return ColumnLevels(pressure, interfaces)
    return ColumnLevels(
        pressure,
        interfaces,
        _values(case, "pressure_weight"),
        _values(case, "interface_pressure_weight"),
        TimeSeries(_time(case), _values(case, "surface_pressure")),
    )


def case_vertical_motion(case: xr.Dataset) -> VerticalMotion:
    """The vertical motion of a case."""
    omega = gust = None
    if "pressure_velocity" in case:
        omega = TimeSeries(_time(case), _values(case, "pressure_velocity"))
    if "gust" in case:
        series = TimeSeries(_time(case), _values(case, "gust"))
        speed = case_scalar(case, "gust_speed", 0.08)
        gust = Gust(series, speed, case_scalar(case, "gust_depth", 14000.0))
    return VerticalMotion(omega, gust)


def case_surface(case: xr.Dataset) -> AbstractSurface:
    """The ground of a case."""
    if "surface_temperature" in case and "sensible_heat_flux" not in case:
        return BulkSurface(TimeSeries(_time(case), _values(case, "surface_temperature")))
    names = [name for name in _SURFACE if name in case]
    return PrescribedSurface(_series(case, {name: name for name in names}))


def case_processes(case: xr.Dataset) -> tuple[AbstractProcess, ...]:
    """What a case prescribes to work all the time."""
    processes: list[AbstractProcess] = []
    if "pressure_velocity" in case:
        fields: tuple[str, ...] = ("temperature", "vapour")
        if case.attrs.get("advected_winds"):
            fields += _WINDS
        if _is_prognostic(case):
            fields += ("cloud_water", "cloud_ice")
        processes.append(VerticalAdvection(fields))
    advection = {field: name for field, name in _ADVECTION.items() if name in case}
    if advection:
        processes.append(PrescribedTendencies(_series(case, advection)))
    if "radiative_heating" in case:
        processes.append(PrescribedTendencies(_series(case, {"temperature": "radiative_heating"})))
    for kind, targets in (
        ("temperature", {"temperature": "target_air_temperature"}),
        ("vapour", {"vapour": "target_vapour_mixing_ratio"}),
        ("wind", {name: f"target_{name}" for name in _WINDS}),
    ):
        if f"{kind}_relaxation_time" in case:
            time_scale = jnp.asarray(_values(case, f"{kind}_relaxation_time"), float)
            processes.append(Relaxation(_series(case, targets), time_scale))
    if "coriolis_parameter" in case:
        wind = _series(case, {name: f"geostrophic_{name}" for name in _WINDS})
        processes.append(GeostrophicForcing(wind, case_scalar(case, "coriolis_parameter", 0.0)))
    if _is_diffusive(case):
        processes.append(SurfaceFluxes())
    if _is_prognostic(case):
        processes.append(Fallout())
    return tuple(processes)


def case_adjustments(case: xr.Dataset) -> tuple[AbstractAdjustment, ...]:
    """What happens in a case at the end of each step."""
    adjustments: list[AbstractAdjustment] = []
    if _is_diffusive(case):
        adjustments.append(ImplicitDiffusion())
    adjustments.append(VapourFloor())
    adjustments.append(CloudCondensation() if _is_prognostic(case) else RainOut())
    if "target_eastward_wind" in case and "wind_relaxation_time" not in case:
        adjustments.append(
            PrescribedWind(_series(case, {name: f"target_{name}" for name in _WINDS}))
        )
    return tuple(adjustments)


def case_condensate(case: xr.Dataset) -> AbstractCondensate:
    """What becomes of condensate in a case."""
    return Prognostic() if _is_prognostic(case) else Reevaporated()


def case_profiles(case: xr.Dataset) -> dict[str, np.ndarray]:
    """The initial profiles of a case by field of `ColumnState`."""
    for name in ("initial_air_temperature", "initial_vapour_mixing_ratio"):
        _values(case, name)
    return {field: _values(case, name) for field, name in _INITIAL.items() if name in case}


def recorded_convection(case: xr.Dataset) -> RecordedConvection:
    """What the convection of a case did, as a scheme that repeats it.

    Raises `DataError` if the case holds no record.
    """
    prefix = "recorded_"
    names = [str(name) for name in case if str(name).startswith(prefix)]
    if not names:
        raise DataError("The case holds no record of convection: no variable 'recorded_...'.")
    return RecordedConvection({name.removeprefix(prefix): _values(case, name) for name in names})


def case_scalar(case: xr.Dataset, name: str, default: float) -> float:
    """A number of a case."""
    return float(case[name]) if name in case else default


def _is_diffusive(case: xr.Dataset) -> bool:
    return _choice(case, "boundary_layer", ("none", "diffusive")) == "diffusive"


def _is_prognostic(case: xr.Dataset) -> bool:
    return _choice(case, "condensate", ("re-evaporated", "prognostic")) == "prognostic"


def _choice(case: xr.Dataset, name: str, known: tuple[str, ...]) -> str:
    chosen = case.attrs.get(name, known[0])
    if chosen not in known:
        raise DataError(f"The attribute {name!r} of the case is {chosen!r}; it may be {known}.")
    return chosen


def _series(case: xr.Dataset, names: dict[str, str]) -> TimeSeries:
    return TimeSeries(_time(case), {field: _values(case, name) for field, name in names.items()})


def _time(case: xr.Dataset) -> np.ndarray:
    return _values(case, "time")


def _values(case: xr.Dataset, name: str) -> np.ndarray:
    if name not in case.variables:
        raise DataError(
            f"The case has no variable {name!r}; it has {sorted(map(str, case.variables))}."
        )
    # Floats of 64 bits, for jax to round to its own.
    return np.asarray(case[name], float)

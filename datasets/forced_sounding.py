import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .column_case_names import label
from .sounding import case_from_sounding

_DAY = 86400.0
_GUST_MEMORY = 3600.0


def forced_sounding_case(
    sounding: xr.Dataset,
    *,
    days: float = 6.0,
    ascent: float = 0.15,
    cooling: float = 1.5,
    relaxation: float = 43200.0,
    grid_spacing: float = 25e3,
    time_step: float = 120.0,
    seed: int = 0,
) -> xr.Dataset:
    r"""A sounding under a large-scale flow that lifts it every day, for `from_case`.

    Ascent $\omega = -\omega_0 \sin(\pi x) \max(0, \sin 2 \pi t / 1\,\mathrm{d})$ with
    $x = (p_s - p) / (p_s - p_t)$, radiative cooling below 200 hPa, relaxation towards the
    sounding, constant winds and surface fluxes, and gusts: an autoregressive series with a memory
    of an hour. An idealised case that makes a convection scheme work for days.

    **Arguments:**

    - `sounding`: as `weisman_klemp` or `read_sounding` return it.
    - `ascent`: $\omega_0$ in Pa s-1; `cooling` in K per day; `relaxation` in s.
    - `grid_spacing` in m and `time_step` in s, for the convection.
    - `seed`: of the gusts.

    Raises `DataError` as `case_from_sounding` does, or if there is not a single step.
    """
    steps = round(days * _DAY / time_step)
    if steps < 1:
        raise DataError(f"`days` = {days} is not a single step of {time_step} s.")
    case = case_from_sounding(sounding)
    time = np.arange(steps + 1) * time_step
    interfaces, layers = case["interface_pressure"].values, case["air_pressure"].values
    depth = (interfaces[0] - interfaces) / (interfaces[0] - interfaces[-1])
    pulse = np.maximum(0.0, np.sin(2 * np.pi * time / _DAY))
    heating = np.where(layers > 2e4, -cooling / _DAY, 0.0)
    profile, series = ("time", "level"), ("time",)
    names = ("air_temperature", "vapour_mixing_ratio", "eastward_wind", "northward_wind")
    targets: dict = {
        f"target_{name}": (profile, np.tile(case[f"initial_{name}"].values, (time.size, 1)))
        for name in names
    }
    scales = np.full(layers.size, relaxation)
    surface = {
        "sensible_heat_flux": 12.0,
        "friction_velocity": 0.25,
        "boundary_layer_height": 600.0,
        "stability_parameter": -0.1,
    }
    case = (
        case.drop_vars("time")
        .assign(
            pressure_velocity=(
                ("time", "level_w"),
                -ascent * pulse[:, None] * np.sin(np.pi * depth),
            ),
            radiative_heating=(profile, np.tile(heating, (time.size, 1))),
            temperature_relaxation_time=("level", scales),
            vapour_relaxation_time=("level", scales),
            gust=(series, _gusts(time.size, time_step, seed)),
            gust_speed=((), 0.08),
            gust_depth=((), 14000.0),
            grid_spacing=((), grid_spacing),
            time_step=((), time_step),
        )
        .assign(targets)
    )
    fluxes: dict = {name: (series, np.full(time.size, value)) for name, value in surface.items()}
    case = case.assign(fluxes)
    attrs = {str(name): str(value) for name, value in case.attrs.items()}
    return label(case.assign_coords(time=("time", time)), attrs)


def _gusts(count: int, time_step: float, seed: int) -> np.ndarray:
    kept = np.exp(-time_step / _GUST_MEMORY)
    noise = np.random.default_rng(seed).normal(size=count)
    gusts = np.empty(count)
    gusts[0] = noise[0]
    for index in range(1, count):
        gusts[index] = kept * gusts[index - 1] + np.sqrt(1 - kept**2) * noise[index]
    return gusts

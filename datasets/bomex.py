import numpy as np
import xarray as xr

from closurax.physics.column.thermodynamics import GAS_CONSTANT, GRAVITY, HEAT_CAPACITY
from closurax.physics.errors import DataError

from .column_case_names import label
from .column_levels import hydrostatic_pressure

_SURFACE_PRESSURE = 101500.0
_DAY = 86400.0
_FINE = 10.0
_MOISTURE_DECAY = 2000.0


def bomex(interface_height: np.ndarray | None = None) -> xr.Dataset:
    """The trade-wind cumulus case BOMEX, for `AtmosphericColumn.from_case`.

    Siebesma et al. 2003, J. Atmos. Sci. 60, 1201, appendix B: profiles of the liquid water
    potential temperature (the air is not saturated), total water and wind; subsidence up to
    6.5 mm s-1; radiative cooling of 2 K per day; drying by advection of 1.2e-8 s-1 below 500 m;
    geostrophic wind; and fluxes of 8e-3 K m s-1 and 5.2e-5 m s-1 with a friction velocity of
    0.28 m s-1. Everything is constant in time.

    **Arguments:**

    - `interface_height`: of the interfaces in m, from 0 up; by default 75 layers of 40 m. Above
        the 3 km of the case, the stability and shear continue, and moisture decreases by a factor
        e every 2 km.

    Raises `DataError` unless the heights increase from zero.
    """
    if interface_height is None:
        interface_height = np.linspace(0.0, 3000.0, 76)
    heights = np.asarray(interface_height, float)
    if heights.size < 3 or heights[0] != 0 or not (np.diff(heights) > 0).all():
        raise DataError("`interface_height` must increase from 0, with at least three of them.")
    fine = np.arange(0.0, heights[-1] + _FINE, _FINE)
    virtual = _theta(fine) * (1 + 0.608 * _mixing_ratio(fine))
    pressure = hydrostatic_pressure(fine, virtual, _SURFACE_PRESSURE)
    interfaces = np.exp(np.interp(heights, fine, np.log(pressure)))
    layers = 0.5 * (interfaces[:-1] + interfaces[1:])
    z = np.interp(-layers, -pressure, fine)
    exner = _exner(layers)
    density = pressure / (GAS_CONSTANT * virtual * _exner(pressure))
    subsidence = np.interp(heights, [0, 1500, 2100], [0, -6.5e-3, 0])
    drying = np.interp(z, [0, 300, 500], [-1.2e-8, -1.2e-8, 0])
    cooling = np.interp(z, [0, 1500, 3000], [-2 / _DAY, -2 / _DAY, 0])
    vapour = _mixing_ratio(z)
    surface_density = density[0]
    profile, series = ("time", "level"), ("time",)
    case = xr.Dataset(
        {
            "air_pressure": ("level", layers),
            "interface_pressure": ("level_w", interfaces),
            "initial_air_temperature": ("level", _theta(z) * exner),
            "initial_vapour_mixing_ratio": ("level", vapour),
            "initial_eastward_wind": ("level", _eastward_wind(z)),
            "initial_northward_wind": ("level", np.zeros_like(z)),
            "pressure_velocity": (
                ("time", "level_w"),
                -GRAVITY * np.interp(heights, fine, density)[None] * subsidence[None],
            ),
            # The drying is of specific humidity q = r / (1 + r).
            "vapour_advection": (profile, (drying * (1 + vapour) ** 2)[None]),
            "radiative_heating": (profile, (cooling * exner)[None]),
            "geostrophic_eastward_wind": (profile, (-10 + 1.8e-3 * z)[None]),
            "geostrophic_northward_wind": (profile, np.zeros_like(z)[None]),
            "coriolis_parameter": ((), 0.376e-4),
            "sensible_heat_flux": (series, [8e-3 * HEAT_CAPACITY * surface_density]),
            "latent_heat_flux": (series, [5.2e-5 * 2.44e6 * surface_density]),
            "friction_velocity": (series, [0.28]),
            "grid_spacing": ((), 5000.0),
            "time_step": ((), 60.0),
        },
        coords={"time": ("time", [0.0])},
    )
    attrs = {
        "title": "BOMEX trade-wind cumulus",
        "references": "Siebesma et al. 2003, J. Atmos. Sci. 60, 1201",
        "boundary_layer": "diffusive",
        "condensate": "prognostic",
    }
    case = label(case, attrs)
    case.attrs["advected_winds"] = 1
    return case


def _theta(z: np.ndarray) -> np.ndarray:
    inside = np.interp(z, [0, 520, 1480, 2000, 3000], [298.7, 298.7, 302.4, 308.2, 311.85])
    return inside + 3.65e-3 * np.maximum(z - 3000, 0)


def _mixing_ratio(z: np.ndarray) -> np.ndarray:
    total = 1e-3 * np.interp(z, [0, 520, 1480, 2000, 3000], [17.0, 16.3, 10.7, 4.2, 3.0])
    total = total * np.exp(-np.maximum(z - 3000, 0) / _MOISTURE_DECAY)
    return total / (1 - total)


def _eastward_wind(z: np.ndarray) -> np.ndarray:
    return -8.75 + 1.8e-3 * np.maximum(z - 700, 0)


def _exner(pressure: np.ndarray) -> np.ndarray:
    return (pressure / 1e5) ** (GAS_CONSTANT / HEAT_CAPACITY)

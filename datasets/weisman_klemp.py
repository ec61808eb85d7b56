import numpy as np
import xarray as xr

from closurax.physics.column.thermodynamics import GRAVITY, HEAT_CAPACITY
from closurax.physics.errors import DataError

from .column_levels import hydrostatic_pressure
from .column_validation import saturation_mixing_ratio
from .sounding import sounding_dataset

_SURFACE_PRESSURE = 1e5
_TROPOPAUSE, _TROPOPAUSE_THETA, _TROPOPAUSE_TEMPERATURE = 12000.0, 343.0, 213.0
_SURFACE_THETA = 300.0
_SHEAR_DEPTH = 3000.0
_TOP, _FINE = 22000.0, 50.0


def weisman_klemp(surface_vapour: float = 0.014, wind_speed: float = 15.0) -> xr.Dataset:
    r"""The analytic sounding of severe storms, every 50 m up to 22 km.

    Weisman and Klemp 1982, Mon. Weather Rev. 110, 504, eqs. 1 to 3: potential temperature
    $300 + 43 (z / z_t)^{5/4}$ K below the tropopause at $z_t = 12$ km, and
    $343 \exp[g (z - z_t) / (c_p\, 213\,\mathrm{K})]$ above; relative humidity
    $1 - \frac{3}{4} (z / z_t)^{5/4}$, and 0.25 above; wind
    $U_s \tanh(z / 3\,\mathrm{km})$ from the west. The ground is at 1000 hPa.

    **Arguments:**

    - `surface_vapour`: the largest mixing ratio in kg kg-1, which the boundary layer has; 0.011
        to 0.016 in the paper.
    - `wind_speed`: $U_s$ in m s-1.

    It returns a Dataset like `read_sounding`, for `case_from_sounding`.

    Raises `DataError` unless `surface_vapour` is positive.
    """
    if not 0 < surface_vapour < 0.1:
        raise DataError(
            f"`surface_vapour` is {surface_vapour}, expected a mixing ratio in kg kg-1, such as "
            "0.014."
        )
    z = np.arange(0.0, _TOP + _FINE, _FINE)
    depth = np.minimum(z / _TROPOPAUSE, 1) ** 1.25
    above = np.maximum(z - _TROPOPAUSE, 0)
    theta = np.where(
        z <= _TROPOPAUSE,
        _SURFACE_THETA + (_TROPOPAUSE_THETA - _SURFACE_THETA) * depth,
        _TROPOPAUSE_THETA * np.exp(GRAVITY * above / (HEAT_CAPACITY * _TROPOPAUSE_TEMPERATURE)),
    )
    humidity = np.where(z <= _TROPOPAUSE, 1 - 0.75 * depth, 0.25)
    vapour = np.zeros_like(z)
    # Pressure depends on moisture, and moisture on pressure: the iteration contracts fast.
    for _ in range(10):
        pressure = hydrostatic_pressure(z, theta * (1 + 0.608 * vapour), _SURFACE_PRESSURE)
        temperature = theta * (pressure / 1e5) ** (287.0 / HEAT_CAPACITY)
        saturation = np.asarray(saturation_mixing_ratio(pressure, temperature))
        vapour = np.minimum(humidity * saturation, surface_vapour)
    return sounding_dataset(
        pressure=pressure,
        height=z,
        temperature=temperature,
        vapour=vapour,
        eastward_wind=wind_speed * np.tanh(z / _SHEAR_DEPTH),
        northward_wind=np.zeros_like(z),
        attrs={
            "title": "Weisman and Klemp sounding",
            "references": "Weisman and Klemp 1982, Mon. Weather Rev. 110, 504",
        },
    )

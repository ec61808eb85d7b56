r"""Moist thermodynamics as the Kain-Fritsch family of schemes uses it; all functions broadcast.

Saturation is over liquid water at all temperatures. Mixing ratios are in kg per kg of dry air.
The arguments may be arrays of any shape that broadcast; the results are in their precision.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Field = Float[Array, "..."]

GRAVITY = 9.81
"""The acceleration of gravity in m s-2."""
GAS_CONSTANT = 287.0
"""The specific gas constant of dry air in J kg-1 K-1."""
VAPOUR_GAS_CONSTANT = 461.6
"""The specific gas constant of water vapour in J kg-1 K-1."""
HEAT_CAPACITY = 1004.5
"""The specific heat of dry air at constant pressure in J kg-1 K-1."""
REFERENCE_PRESSURE = 1e5
"""The pressure in Pa at which the potential temperature is the temperature."""
FREEZING_POINT = 273.16
"""The temperature in K from which dew points are counted in the fit of Bolton (1980)."""
VAPOUR_RATIO = 0.622
"""The gas constant of dry air over that of water vapour."""

# es = 611.2 exp(17.67 (T - 273.15) / (T - 29.65)): Bolton 1980, eq. 10.
SATURATION_SCALE = 611.2
SATURATION_SLOPE = 17.67
SATURATION_OFFSET = 17.67 * 273.15
SATURATION_POLE = 29.65


def saturation_vapour_pressure(temperature: Field) -> Field:
    r"""$611.2 \exp[17.67 (T - 273.15) / (T - 29.65)]$ in Pa: Bolton 1980, eq. 10."""
    return SATURATION_SCALE * jnp.exp(
        (SATURATION_SLOPE * temperature - SATURATION_OFFSET) / (temperature - SATURATION_POLE)
    )


def saturation_mixing_ratio(pressure: Field, temperature: Field) -> Field:
    r"""$0.622 e_s / (p - e_s)$ in kg kg-1, with pressure in Pa and temperature in K."""
    vapour_pressure = saturation_vapour_pressure(temperature)
    return VAPOUR_RATIO * vapour_pressure / (pressure - vapour_pressure)


def vapour_pressure(pressure: Field, mixing_ratio: Field) -> Field:
    r"""$p q / (0.622 + q)$ in Pa."""
    return mixing_ratio * pressure / (VAPOUR_RATIO + mixing_ratio)


def latent_heat_of_vaporisation(temperature: Field) -> Field:
    r"""$3.15 \times 10^6 - 2370\, T$ in J kg-1."""
    return 3.15e6 - 2370.0 * temperature


def virtual_temperature(temperature: Field, mixing_ratio: Field) -> Field:
    r"""$T (1 + 0.608 q)$ in K."""
    return temperature * (1 + 0.608 * mixing_ratio)


def air_density(pressure: Field, temperature: Field, mixing_ratio: Field) -> Field:
    r"""$p / [R_d T (1 + 0.608 q)]$ in kg m-3."""
    return pressure / (GAS_CONSTANT * virtual_temperature(temperature, mixing_ratio))


def exner_function(pressure: Field) -> Field:
    r"""$(p / p_0)^{R_d / c_p}$: temperature over potential temperature of dry air."""
    return (pressure / REFERENCE_PRESSURE) ** (GAS_CONSTANT / HEAT_CAPACITY)


def moist_exner_function(pressure: Field, mixing_ratio: Field) -> Field:
    r"""$(p_0 / p)^{0.2854 (1 - 0.28 q)}$: potential over actual temperature, Bolton 1980, eq. 7."""
    return (REFERENCE_PRESSURE / pressure) ** (0.2854 * (1 - 0.28 * mixing_ratio))


def equivalent_potential_temperature(
    pressure: Field, temperature: Field, mixing_ratio: Field, saturation_temperature: Field
) -> Field:
    r"""$\theta \exp[(3374.6525 / T_L - 2.5403)\, q (1 + 0.81 q)]$ in K: Bolton 1980, eq. 43.

    $T_L$ is the temperature at which the air becomes saturated when it is lifted; of saturated
    air it is its temperature.
    """
    heating = (3374.6525 / saturation_temperature - 2.5403) * mixing_ratio
    return (
        temperature
        * moist_exner_function(pressure, mixing_ratio)
        * jnp.exp(heating * (1 + 0.81 * mixing_ratio))
    )


def dew_point(log_ratio: Field) -> Field:
    r"""The dew point in K where $\ln(e / 611.2\,\mathrm{Pa})$ is `log_ratio`."""
    return (SATURATION_OFFSET - SATURATION_POLE * log_ratio) / (SATURATION_SLOPE - log_ratio)


def lifted_saturation_temperature(temperature: Field, dew_point: Field) -> Field:
    r"""The temperature in K at which air becomes saturated when it is lifted.

    $T_d - [0.212 + 1.571 \times 10^{-3} (T_d - T_0) - 4.36 \times 10^{-4} (T - T_0)] (T - T_d)$
    with $T_0 = 273.16$ K: Kain and Fritsch 1990, J. Atmos. Sci. 47, 2784.
    """
    slope = (
        0.212 + 1.571e-3 * (dew_point - FREEZING_POINT) - 4.36e-4 * (temperature - FREEZING_POINT)
    )
    return dew_point - slope * (temperature - dew_point)

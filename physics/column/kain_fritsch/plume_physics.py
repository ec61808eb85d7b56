"""What happens to a parcel of the updraft on its way through one layer; all functions broadcast."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..thermodynamics import (
    FREEZING_POINT,
    GRAVITY,
    SATURATION_OFFSET,
    SATURATION_POLE,
    SATURATION_SLOPE,
    equivalent_potential_temperature,
    latent_heat_of_vaporisation,
    saturation_mixing_ratio,
)
from .saturation_table import PressureNodes, saturated

Field = Float[Array, "..."]

FREEZING_STARTS, FREEZING_ENDS = 268.16, 248.16
_SHARE_OF_NEW_CONDENSATE = 0.6
_LEAST_SQUARED_VELOCITY = 1e-4


class MoistAir(NamedTuple):
    """Air with its vapour and condensate; mixing ratios in kg kg-1, the temperature in K."""

    temperature: Field
    mixing_ratio: Field
    liquid: Field
    ice: Field


def condense(
    nodes: PressureNodes, theta_e: Field, mixing_ratio: Field, liquid: Field, ice: Field
) -> tuple[MoistAir, Field]:
    """Air of `theta_e` brought to saturation if there is water enough, and the new condensate.

    Air that is not saturated evaporates its condensate first.
    """
    wet_bulb, saturation = saturated(nodes, theta_e)
    deficit = saturation - mixing_ratio
    condensate = liquid + ice
    is_saturated = deficit <= 0
    saturates = is_saturated | (condensate >= deficit)
    kept = 1 - jnp.where(is_saturated, 0.0, deficit / (condensate + 1e-10))
    is_dry = condensate < 1e-10
    missing = jnp.where(saturates, 0.0, jnp.where(is_dry, deficit, deficit - condensate))
    heat_capacity = 1004.5 * (1 + 0.89 * mixing_ratio)
    warming = latent_heat_of_vaporisation(wet_bulb) * (missing / (1 + missing)) / heat_capacity
    kept = jnp.where(saturates, kept, jnp.where(is_dry, 1.0, 0.0))
    evaporated = mixing_ratio + jnp.where(is_dry, 0.0, condensate)
    air = MoistAir(
        temperature=wet_bulb + warming,
        mixing_ratio=jnp.where(saturates, saturation, evaporated),
        liquid=liquid * kept,
        ice=ice * kept,
    )
    return air, jnp.where(is_saturated, -deficit, 0.0)


def freeze(pressure: Field, air: MoistAir, freezing: Field) -> tuple[MoistAir, Field]:
    """Freezes `freezing` kg kg-1; returns the air, saturated anew from its ice, and its theta-e."""
    above = air.temperature - FREEZING_POINT
    of_vaporisation = 2.5e6 - 2369.276 * above
    of_sublimation = 2833922.0 - 259.532 * above
    heat_capacity = 1004.5 * (1 + 0.89 * air.mixing_ratio)
    slope = saturation_slope(air.temperature)
    warming = (of_sublimation - of_vaporisation) * freezing
    warming = warming / (heat_capacity + of_sublimation * air.mixing_ratio * slope)
    temperature = air.temperature + warming
    saturation = saturation_mixing_ratio(pressure, temperature)
    ice = air.ice - (saturation - air.mixing_ratio)
    theta_e = equivalent_potential_temperature(pressure, temperature, saturation, temperature)
    return MoistAir(temperature, saturation, air.liquid, ice), theta_e


def saturation_slope(temperature: Field) -> Field:
    r"""$d \ln e_s / dT$ in K-1."""
    numerator = SATURATION_OFFSET - SATURATION_SLOPE * SATURATION_POLE
    return numerator / (temperature - SATURATION_POLE) ** 2


class Fallout(NamedTuple):
    """Condensate that stays and that falls out, in kg kg-1, and the squared velocity in m2 s-2."""

    liquid: Field
    ice: Field
    liquid_out: Field
    ice_out: Field
    squared_velocity: Field


def fall_out(
    liquid: Field,
    ice: Field,
    new_liquid: Field,
    new_ice: Field,
    *,
    squared_velocity: Field,
    distance: Field,
    buoyancy_work: Field,
    entrainment_drag: Field,
    rate: Field | float,
) -> Fallout:
    r"""Ogura and Cho 1973; Kain and Fritsch 1990, eq. 9: a share $1 - e^{-c\,\Delta z / w}$ falls.

    60 % of the new condensate takes part at once. The mean load slows the updraft.
    """
    new = new_liquid + new_ice
    present = liquid + ice
    load = 2 * GRAVITY / 1.5 * distance
    guess = squared_velocity + buoyancy_work - entrainment_drag - load * 0.5 * (present + new)
    speed = 0.5 * (safe_sqrt(squared_velocity) + safe_sqrt(guess))
    fraction_of_new = new_liquid / (new + 1e-8)
    before = present + _SHARE_OF_NEW_CONDENSATE * new
    fraction = (_SHARE_OF_NEW_CONDENSATE * new_liquid + liquid) / (before + 1e-8)
    after = before * jnp.exp(-rate * distance / speed)
    out = before - after
    mean_load = 0.5 * (before + after - 0.2 * new)
    squared = squared_velocity + buoyancy_work - entrainment_drag - load * mean_load
    is_still = jnp.abs(squared) < _LEAST_SQUARED_VELOCITY
    rest = (1 - _SHARE_OF_NEW_CONDENSATE) * new
    return Fallout(
        liquid=fraction * after + fraction_of_new * rest,
        ice=(1 - fraction) * after + (1 - fraction_of_new) * rest,
        liquid_out=fraction * out,
        ice_out=(1 - fraction) * out,
        squared_velocity=jnp.where(is_still, _LEAST_SQUARED_VELOCITY, squared),
    )


def mixing_shares(critical_fraction: Field) -> tuple[Field, Field]:
    r"""The entraining and the detraining share of the mixtures: Kain and Fritsch 1990, eq. 2.

    Mixtures with less environmental air than the critical fraction are buoyant and stay. Their
    fractions follow a Gaussian distribution with $\sigma = 1/6$, cut at 0 and 1; its integral
    is that of Abramowitz and Stegun 1964, 26.2.16.
    """
    sigma, end = 0.166666667, np.exp(-4.5)
    a1, a2, a3, p, root, norm = 0.4361836, -0.1201676, 0.9372980, 0.33267, 2.506628, 0.202765151
    y = 6 * critical_fraction - 3
    density = jnp.exp(-0.5 * y * y)

    def tail(t):
        return a1 * t + a2 * t * t + a3 * t * t * t

    at_end = float(end * tail(0.500498))
    at_fraction = density * tail(1 / (1 + p * jnp.abs(y)))
    middle, flank = 0.5 * (root - at_end - at_fraction), 0.5 * (at_fraction - at_end)
    shoulder = sigma * (float(end) - density)
    square = critical_fraction**2 / 2
    above = y >= 0
    entraining = sigma * (jnp.where(above, middle, flank) + shoulder) - float(end) * square
    detraining = sigma * (jnp.where(above, flank, middle) + shoulder) - float(end) * (
        0.5 + square - critical_fraction
    )
    return entraining / norm, detraining / norm


def safe_sqrt(value: Field) -> Field:
    """The square root, zero of what is not positive, and with a finite derivative there."""
    positive = value > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, value, 1.0)), 0.0)

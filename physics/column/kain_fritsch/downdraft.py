"""The downdraft that evaporating precipitation drives: Kain 2004, section 2c."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..conservation import LATENT_HEAT_OF_FUSION
from ..thermodynamics import (
    FREEZING_POINT,
    GAS_CONSTANT,
    HEAT_CAPACITY,
    VAPOUR_RATIO,
    equivalent_potential_temperature,
    latent_heat_of_vaporisation,
    moist_exner_function,
    saturation_mixing_ratio,
    saturation_vapour_pressure,
    virtual_temperature,
)
from .environment import Environment
from .plume_physics import saturation_slope
from .saturation_table import PressureNodes, saturated
from .source_layer import LiftedParcel, SourceLayer
from .updraft import AREA_FRACTION, Ascent, Updraft

_START_ABOVE_SOURCE = 1.5e4
_LEAST_DEPTH = 5e3
_DRYING_PER_METRE = 0.2e-3
_LEAST_EVAPORATION = 1.0


class Downdraft(NamedTuple):
    """A downdraft `(level,)`, with downward mass fluxes negative; zero where there is none."""

    temperature: Float[Array, " level"]
    mixing_ratio: Float[Array, " level"]
    potential_temperature: Float[Array, " level"]
    mass_flux: Float[Array, " level"]
    entrainment: Float[Array, " level"]
    """In kg s-1, not positive."""
    detrainment: Float[Array, " level"]
    """In kg s-1, not negative."""
    evaporation: Float[Array, ""]
    """Of precipitation, in kg s-1."""
    start: Int[Array, ""]
    """The level of free sink; 0 for a shallow cloud."""


def descend(
    env: Environment,
    source: SourceLayer,
    parcel: LiftedParcel,
    ascent: Ascent,
    updraft: Updraft,
    efficiency: Float[Array, ""],
    area: Float[Array, ""],
    is_deep: Bool[Array, ""],
) -> Downdraft:
    """The downdraft of a deep cloud with a first guess of its precipitation `efficiency`."""
    levels = jnp.arange(env.pressure.size)
    base = source.top + 1
    start = _level_of_free_sink(env, base, ascent)
    base = jnp.minimum(base, levels[-1])
    fed = (levels >= base) & (levels <= start)
    deep_enough = env.pressure[base] - env.pressure[start] > _LEAST_DEPTH
    exists = is_deep & deep_enough

    # The air that feeds it, mixed by mass.
    mass = jnp.where(fed, env.pressure_thickness, 0.0)
    total = jnp.where(exists, jnp.sum(mass), 1.0)
    theta_e = jnp.where(exists, jnp.sum(mass * env.theta_e) / total, env.theta_e[base])
    mixing_ratio = jnp.where(exists, jnp.sum(mass * env.mixing_ratio) / total, 0.0)
    humidity = jnp.where(exists, jnp.sum(mass * env.relative_humidity) / total, 1.0)

    coldest, saturation = saturated(_nodes_at(env, start), env.theta_e[start])
    density = env.pressure[start] / (GAS_CONSTANT * virtual_temperature(coldest, saturation))
    guess = -(1 - efficiency) * AREA_FRACTION * area * density
    entrainment = jnp.where(fed, guess * env.pressure_thickness / env.pressure_thickness[start], 0)
    flux_at_base = jnp.sum(entrainment)

    wet_bulb, _ = saturated(_nodes_at(env, base), theta_e)
    melted = wet_bulb - _cooling_by_melting(env, source, parcel, ascent, updraft)
    saturation = saturation_mixing_ratio(env.pressure[base], melted)
    theta_e = equivalent_potential_temperature(env.pressure[base], melted, saturation, melted)

    temperature, vapour = _unsaturated(env, theta_e, mixing_ratio, base)
    warm = virtual_temperature(temperature, vapour) > env.virtual_temperature
    below = levels < jnp.minimum(start, base)
    ends = below & (warm | (levels == 0))
    end = jnp.max(jnp.where(ends, levels, 0))
    deep_enough = env.pressure[end] - env.pressure[start] > _LEAST_DEPTH
    leaves = below & (levels >= end) & exists & deep_enough
    thickness = jnp.where(leaves, env.pressure_thickness, 0.0)
    depth = jnp.sum(thickness)
    depth = jnp.where(depth > 0, depth, 1.0)
    detrainment = -flux_at_base * thickness / depth
    evaporation = jnp.sum(jnp.where(leaves, (vapour - mixing_ratio) * detrainment, 0.0))

    # Scaled to twice the saturation deficit of its air, and to the precipitation there is.
    evaporates = evaporation >= _LEAST_EVAPORATION
    rain = jnp.sum(updraft.liquid_fallout + updraft.ice_fallout)
    flux_at_base = jnp.where(evaporates, flux_at_base, -1.0)
    factor = -2 * (1 - humidity) * updraft.mass_flux[parcel.level] / flux_at_base
    limit = rain / jnp.where(evaporates, evaporation, 1.0)
    factor = jnp.where(evaporates, jnp.where(evaporation * factor > rain, limit, factor), 0.0)
    flux_above = _sum_from_top(jnp.where(fed, entrainment, 0.0) + detrainment)
    is_drawn = leaves | (levels == start)
    is_drawn = is_drawn & evaporates
    at_start = levels == start
    temperature = jnp.where(at_start, coldest, temperature)
    vapour = jnp.where(at_start, env.mixing_ratio, vapour)
    potential = temperature * moist_exner_function(env.pressure, vapour)
    return Downdraft(
        temperature=jnp.where(is_drawn, temperature, 0.0),
        mixing_ratio=jnp.where(is_drawn, vapour, 0.0),
        potential_temperature=jnp.where(is_drawn, potential, 0.0),
        mass_flux=factor * jnp.where(fed | leaves, flux_above, 0.0),
        entrainment=factor * entrainment,
        detrainment=factor * detrainment,
        evaporation=evaporation * factor,
        start=jnp.where(is_deep, start, 0),
    )


def _level_of_free_sink(env: Environment, base: Int[Array, ""], ascent: Ascent) -> Int[Array, ""]:
    levels = jnp.arange(env.pressure.size)
    far = (levels > base) & (env.pressure[base] - env.pressure > _START_ABOVE_SOURCE)
    highest = ascent.equilibrium - 1
    return jnp.where(jnp.any(far), jnp.minimum(jnp.argmax(far), highest), highest)


def _cooling_by_melting(
    env: Environment,
    source: SourceLayer,
    parcel: LiftedParcel,
    ascent: Ascent,
    updraft: Updraft,
) -> Float[Array, ""]:
    """As if the downdraft were as strong as the updraft, in K."""
    levels = jnp.arange(env.pressure.size)
    is_warm = (env.temperature > FREEZING_POINT) & (levels <= ascent.top)
    highest_warm = jnp.max(jnp.where(is_warm, levels, -1))
    ice = jnp.sum(updraft.ice_fallout)
    flux = updraft.mass_flux[parcel.level]
    melts = (source.base < highest_warm) & (flux > 0)
    flux = jnp.where(melts, flux, 1.0)
    return jnp.where(melts, LATENT_HEAT_OF_FUSION * ice / (HEAT_CAPACITY * flux), 0.0)


def _unsaturated(
    env: Environment,
    theta_e: Float[Array, ""],
    mixing_ratio: Float[Array, ""],
    base: Int[Array, ""],
) -> tuple[Float[Array, " level"], Float[Array, " level"]]:
    """Temperature and mixing ratio where the relative humidity falls by 20 % a kilometre."""
    temperature, saturation = saturated(env.nodes, jnp.broadcast_to(theta_e, env.pressure.shape))
    humidity = 1 - _DRYING_PER_METRE * (env.height[base] - env.height)
    slope = saturation_slope(temperature)
    latent_heat = latent_heat_of_vaporisation(temperature)
    warming = latent_heat * saturation * (1 - humidity)
    warming = warming / (HEAT_CAPACITY + latent_heat * humidity * saturation * slope)
    warmed = temperature + warming
    # The vapour pressure, not the mixing ratio, is reduced to the relative humidity.
    vapour = _mixing_ratio_at(env.pressure, warmed, humidity)
    too_dry = vapour < mixing_ratio
    vapour = jnp.where(too_dry, mixing_ratio, vapour)
    no_evaporation = temperature + (saturation - mixing_ratio) * latent_heat / HEAT_CAPACITY
    warmed = jnp.where(too_dry, no_evaporation, warmed)
    dries = humidity < 1
    return jnp.where(dries, warmed, temperature), jnp.where(dries, vapour, saturation)


def _mixing_ratio_at(
    pressure: Float[Array, " level"],
    temperature: Float[Array, " level"],
    humidity: Float[Array, " level"],
) -> Float[Array, " level"]:
    vapour_pressure = humidity * saturation_vapour_pressure(temperature)
    return VAPOUR_RATIO * vapour_pressure / (pressure - vapour_pressure)


def _nodes_at(env: Environment, level: Int[Array, ""]) -> PressureNodes:
    return PressureNodes(*(node[level] for node in env.nodes))


def _sum_from_top(values: Float[Array, " level"]) -> Float[Array, " level"]:
    return jnp.cumsum(values[::-1])[::-1]

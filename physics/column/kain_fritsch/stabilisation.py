"""How much mass flux removes the available energy: Kain 2004, section 2d."""

from typing import NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ..thermodynamics import (
    GRAVITY,
    HEAT_CAPACITY,
    equivalent_potential_temperature,
    latent_heat_of_vaporisation,
    moist_exner_function,
    saturation_mixing_ratio,
    virtual_temperature,
)
from .environment import Environment, lifted_temperature, lifted_theta_e
from .plume_physics import saturation_slope
from .saturation_table import PressureNodes, saturated
from .source_layer import LiftedParcel, SourceLayer, place
from .subsidence import Exchange, count_substeps, potential_temperature, transport
from .updraft import Ascent, Updraft
from .while_loop import while_loop

Scalar = Float[Array, ""]

_PASSES = 10
_STABILISED = 0.95
_TOLERANCE = 0.05
_LEAST_FACTOR = 0.05
_LEAST_MIXING_RATIO = 1e-9


class Cloud(NamedTuple):
    """Everything that is known of a cloud before its strength is."""

    env: Environment
    source: SourceLayer
    parcel: LiftedParcel
    ascent: Ascent
    updraft: Updraft
    exchange: Exchange


class Strength(NamedTuple):
    """By which factor the drafts are scaled, and whether that makes convection at all."""

    scale: Scalar
    is_valid: Bool[Array, ""]


class _Problem(NamedTuple):
    cloud: Cloud
    timescale: Scalar
    largest: Scalar
    least_removal: Scalar


class _Search(NamedTuple):
    passes: Int[Array, ""]
    scale: Scalar
    factor: Scalar
    last_factor: Scalar
    last_remaining: Scalar
    is_done: Bool[Array, ""]
    is_valid: Bool[Array, ""]


def stabilise(
    cloud: Cloud,
    timescale: Scalar,
    largest: Scalar,
    least_removal: Scalar | float,
    is_needed: Bool[Array, ""],
) -> Strength:
    """Searches the mass flux that leaves at most 10 % of the energy after `timescale` in s.

    **Arguments:**

    - `largest`: the factor at which the inflow would empty a layer.
    - `least_removal`: a share of the energy; removing less counts as this much.
    - `is_needed`: if not, the factor is 1.
    """
    one = jnp.ones_like(timescale)
    start = _Search(
        passes=jnp.zeros((), jnp.int32),
        scale=one,
        factor=jnp.minimum(one, largest),
        last_factor=one,
        last_remaining=one,
        is_done=~is_needed,
        is_valid=jnp.ones((), bool),
    )
    problem = _Problem(cloud, timescale, largest, jnp.asarray(least_removal, one.dtype))
    search = while_loop(_is_open, _refine, start, problem, _PASSES)
    return Strength(search.scale, search.is_valid)


def _is_open(search: _Search, problem: _Problem) -> Bool[Array, ""]:
    return ~search.is_done


def _refine(search: _Search, problem: _Problem) -> _Search:
    cloud, timescale, largest, least_removal = problem
    cape = jnp.where(cloud.ascent.cape <= 0, 1.0, cloud.ascent.cape)
    temperature, mixing_ratio = adjusted(cloud, search.scale, timescale)
    left = remaining_cape(cloud, temperature, mixing_ratio)
    removed = jnp.maximum(cape - left, least_removal * cape)
    remaining = left / cape
    passes = search.passes + 1
    change = search.factor - search.last_factor
    is_first = passes == 1
    stalls = ~is_first & (jnp.abs(change) < 1e-4)
    slope = (remaining - search.last_remaining) / jnp.where(change == 0, 1.0, change)
    worsens = ~is_first & (slope > 0)
    exhausted = (search.factor / largest > 0.999) & (remaining > 1 + _TOLERANCE - _STABILISED)
    enough = (remaining <= 1 + _TOLERANCE - _STABILISED) & (remaining >= 0)
    stuck = removed < 1e-4
    is_done = stalls | worsens | exhausted | enough | stuck | (passes == _PASSES)
    grown = search.factor * _STABILISED * cape / jnp.where(stuck, 1.0, removed)
    grown = jnp.minimum(largest, grown)
    fails = (remaining > 1) | (~is_done & (grown < _LEAST_FACTOR))
    is_done = is_done | fails
    return _Search(
        passes=passes,
        scale=jnp.where(is_done, search.scale, grown),
        factor=jnp.where(is_done, search.factor, grown),
        last_factor=search.factor,
        last_remaining=remaining,
        is_done=is_done,
        is_valid=~fails,
    )


def adjusted(
    cloud: Cloud, scale: Scalar, timescale: Scalar
) -> tuple[Float[Array, " level"], Float[Array, " level"]]:
    """Temperature in K and mixing ratio in kg kg-1 after `timescale` of convection."""
    env, exchanged = cloud.env, cloud.exchange
    fields = jnp.stack([potential_temperature(env), env.mixing_ratio])
    substeps = count_substeps(exchanged, scale, timescale)
    theta, mixing_ratio = transport(
        fields, exchanged.sources, exchanged, scale, timescale, substeps
    )
    return settle(cloud, theta, mixing_ratio)


def settle(
    cloud: Cloud, theta: Float[Array, " level"], mixing_ratio: Float[Array, " level"]
) -> tuple[Float[Array, " level"], Float[Array, " level"]]:
    """Temperature and mixing ratio without negative humidity; above the cloud as they were."""
    env, in_cloud = cloud.env, cloud.exchange.in_cloud
    mixing_ratio = _borrow(cloud, jnp.where(in_cloud, mixing_ratio, env.mixing_ratio))
    temperature = theta / moist_exner_function(env.pressure, mixing_ratio)
    return jnp.where(in_cloud, temperature, env.temperature), mixing_ratio


def remix(
    cloud: Cloud, temperature: Float[Array, " level"], mixing_ratio: Float[Array, " level"]
) -> tuple[SourceLayer, LiftedParcel]:
    """The source layer of a changed environment, and its air lifted to saturation."""
    env, source = cloud.env, cloud.source
    levels = jnp.arange(env.pressure.size)
    weight = jnp.where(
        (levels >= source.base) & (levels <= source.top), env.pressure_thickness, 0.0
    )
    mixed = jnp.sum(weight * temperature) / source.pressure_depth
    vapour = jnp.sum(weight * mixing_ratio) / source.pressure_depth
    saturation = saturation_mixing_ratio(source.pressure, mixed)
    excess = vapour - saturation
    latent_heat = latent_heat_of_vaporisation(mixed)
    slope = latent_heat * saturation * saturation_slope(mixed)
    condensed = excess / (1 + slope / (HEAT_CAPACITY * (1 + 0.887 * vapour)))
    is_saturated = excess > 0
    vapour = jnp.where(is_saturated, vapour - condensed, jnp.maximum(vapour, 0.0))
    warmed = mixed + latent_heat / HEAT_CAPACITY * condensed
    mixed = jnp.where(is_saturated, warmed, mixed)
    lifted = jnp.minimum(lifted_temperature(source.pressure, mixed, vapour), mixed)
    lifted = jnp.where(is_saturated, mixed, lifted)
    source = source._replace(temperature=mixed, mixing_ratio=vapour)
    changed = env._replace(temperature=temperature, mixing_ratio=mixing_ratio)
    return source, place(changed, source, lifted)


def remaining_cape(
    cloud: Cloud, temperature: Float[Array, " level"], mixing_ratio: Float[Array, " level"]
) -> Scalar:
    """The energy in J kg-1 of an updraft that is diluted like the first one."""
    env, updraft = cloud.env, cloud.updraft
    source, parcel = remix(cloud, temperature, mixing_ratio)
    around = virtual_temperature(temperature, mixing_ratio)
    theta_around = lifted_theta_e(env.pressure, temperature, mixing_ratio)
    theta_e = equivalent_potential_temperature(
        source.pressure, source.temperature, source.mixing_ratio, parcel.temperature
    )

    def climb(carry, layer):
        theta_e, loaded_below, cape = carry
        first = layer["level"] == parcel.level
        warm, saturation = saturated(layer["nodes"], theta_e)
        loaded = warm * (1 + 0.608 * saturation - layer["condensate"])
        below = jnp.where(first, parcel.environment_virtual_temperature, layer["around_below"])
        distance = jnp.where(first, layer["height"] - parcel.height, layer["distance"])
        work = ((loaded_below + loaded) / (below + layer["around"]) - 1) * distance * GRAVITY
        kept = 1 / layer["dilution"]
        diluted = theta_e * kept + layer["theta_around"] * (1 - kept)
        climbs = (layer["level"] >= parcel.level) & (layer["level"] <= cloud.ascent.top)
        new = (diluted, loaded, cape + jnp.maximum(work, 0.0))
        return jtu.tree_map(lambda a, b: jnp.where(climbs, a, b), new, carry), None

    layers = {
        "level": jnp.arange(1, env.pressure.size),
        "nodes": PressureNodes(*(node[1:] for node in env.nodes)),
        "condensate": (updraft.liquid + updraft.ice)[1:],
        "around": around[1:],
        "around_below": around[:-1],
        "theta_around": theta_around[1:],
        "height": env.height[1:],
        "distance": jnp.diff(env.height),
        "dilution": updraft.dilution[1:],
    }
    at_base = virtual_temperature(parcel.temperature, source.mixing_ratio)
    (_, _, cape), _ = lax.scan(climb, (theta_e, at_base, jnp.zeros_like(theta_e)), layers)
    return cape


def _borrow(cloud: Cloud, mixing_ratio: Float[Array, " level"]) -> Float[Array, " level"]:
    """Fills negative humidity from the layers above and below, from the lowest one up."""
    # The lowest layer cannot borrow from below.
    start = (mixing_ratio, jnp.ones_like(cloud.ascent.top))
    mass = _Mass(cloud.exchange.mass, cloud.parcel.level, cloud.ascent.top)
    filled, _ = while_loop(_has_negative, _fill, start, mass, mixing_ratio.size)
    return filled


class _Mass(NamedTuple):
    mass: Float[Array, " level"]
    base: Int[Array, ""]
    top: Int[Array, ""]


def _negative(state, args: _Mass) -> Bool[Array, " level"]:
    mixing_ratio, start = state
    levels = jnp.arange(mixing_ratio.size)
    return (mixing_ratio < 0) & (levels >= start) & (levels <= args.top)


def _has_negative(state, args: _Mass) -> Bool[Array, ""]:
    return jnp.any(_negative(state, args))


def _fill(state, args: _Mass):
    mixing_ratio, mass = state[0], args.mass
    level = jnp.maximum(jnp.argmax(_negative(state, args)), 1)
    neighbour = jnp.where(level == args.top, args.base, level + 1)
    above = mixing_ratio[neighbour] * mass[neighbour]
    below = mixing_ratio[level - 1] * mass[level - 1]
    missing = (_LEAST_MIXING_RATIO - mixing_ratio[level]) * mass[level]
    share = missing / (above * above / below + below)
    filled = mixing_ratio.at[level].set(_LEAST_MIXING_RATIO)
    filled = filled.at[neighbour].multiply(1 - share * above / below)
    return filled.at[level - 1].multiply(1 - share), level + 1

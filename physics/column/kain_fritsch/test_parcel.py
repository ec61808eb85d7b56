"""Test parcels: how far the air of every source layer would rise, at a fraction of the cost.

A plume of constant mass flux and constant entrainment, without ice and without buoyancy sorting;
its temperature follows from its equivalent potential temperature by one linear step. It stands
for the updraft where an estimate is enough: in the features of a network.
"""

from typing import NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ..thermodynamics import GRAVITY, HEAT_CAPACITY, virtual_temperature
from .environment import Environment
from .plume_physics import saturation_slope
from .scales import least_depth
from .source_layer import LiftedParcel, SourceLayer
from .trigger import Trigger
from .updraft import source_theta_e

_ENTRAINMENT = 0.03 * 0.8
_FALLOUT_RATE = 0.03
_LATENT_HEAT = 2.5e6
_SLOWEST_SQUARED_VELOCITY = 1e-3


class Rise(NamedTuple):
    """How far parcels get; `*base` is the number of source layers, or nothing for one."""

    top: Int[Array, "*base"]
    equilibrium: Int[Array, "*base"]
    """The highest level at which the parcel is buoyant."""
    cape: Float[Array, "*base"]
    """Its available energy in J kg-1."""


class RaisedParcel(NamedTuple):
    """The test parcel that stands for the cloud, and what the other ones did."""

    source: SourceLayer
    parcel: LiftedParcel
    rise: Rise
    velocity_at_base: Float[Array, ""]
    buoyancy: Float[Array, " level"]
    """Its relative virtual temperature excess less its load, up to the level where it stops."""
    velocity: Float[Array, " level"]
    """In m s-1, zero outside of the cloud; likewise the following."""
    condensate: Float[Array, " level"]
    fallout: Float[Array, " level"]
    """In kg kg-1."""
    base: Int[Array, ""]
    depths: Float[Array, " base"]
    """Of the clouds of all test parcels in m; zero for air that is not set off."""
    forms: Bool[Array, " base"]
    is_deep: Bool[Array, " base"]


class _Saturation(NamedTuple):
    theta_e: Float[Array, " level"]
    mixing_ratio: Float[Array, " level"]
    slope: Float[Array, " level"]
    """Of the saturation vapour pressure, relative, in K-1."""
    theta_e_slope: Float[Array, " level"]
    """How theta-e of saturated air grows with temperature."""


class _State(NamedTuple):
    theta_e: Float[Array, "*base"]
    mixing_ratio: Float[Array, "*base"]
    condensate: Float[Array, "*base"]
    squared_velocity: Float[Array, "*base"]
    buoyancy: Float[Array, "*base"]
    rises: Bool[Array, "*base"]
    rise: Rise


def raise_test_parcels(
    env: Environment,
    saturated_theta_e: Float[Array, " level"],
    layers: SourceLayer,
    parcels: LiftedParcel,
    trigger: Trigger,
    factor: Float[Array, ""],
    bases: int,
) -> RaisedParcel:
    """Raises the air of the lowest `bases` source layers and chooses the one that makes the cloud.

    It is the lowest one whose cloud is deep, or else the one of the tallest cloud, or else the
    lowest one that is set off.

    **Arguments:**

    - `saturated_theta_e`: the equivalent potential temperature of the environment in K, if it
        were saturated.
    - `factor`: the scale factor of the grid spacing.
    """
    lowest = jtu.tree_map(lambda of_all: of_all[:bases], (layers, parcels, trigger))
    sources, lifted, triggers = lowest
    saturation = _saturation(env, saturated_theta_e)
    rise, _ = _rise(env, saturation, sources, lifted, triggers.velocity, factor)
    depths = env.height[rise.top] - lifted.height
    forms = triggers.is_triggered & (rise.top > lifted.level) & (rise.top > sources.top)
    forms = forms & (rise.equilibrium + 1 > sources.top)
    is_deep = forms & (depths > least_depth(lifted.temperature)) & (rise.cape > 1)
    tallest = jnp.argmax(jnp.where(forms, depths, -1.0))
    base = jnp.where(jnp.any(forms), tallest, jnp.argmax(triggers.is_triggered))
    base = jnp.where(jnp.any(is_deep), jnp.argmax(is_deep), base)
    source, parcel, start = jtu.tree_map(lambda of_all: of_all[base], lowest)
    rise, profiles = _rise(env, saturation, source, parcel, start.velocity, factor)
    exists = start.is_triggered
    buoyancy, speed, condensate, fallout = (
        _from_ground(jnp.where(exists, profile, 0.0)) for profile in profiles
    )
    return RaisedParcel(
        source=source,
        parcel=parcel,
        rise=rise,
        velocity_at_base=start.velocity,
        buoyancy=buoyancy,
        velocity=speed,
        condensate=condensate,
        fallout=fallout,
        base=base,
        depths=jnp.where(triggers.is_triggered, depths, 0.0),
        forms=forms,
        is_deep=is_deep,
    )


def _rise(env, saturation, source, parcel, velocity, factor):
    radius = jnp.clip(jnp.maximum(env.height[source.top], parcel.height), 500.0, 4000.0)
    per_pascal = _ENTRAINMENT * factor / radius
    base = parcel.level - 1
    zero = jnp.zeros_like(velocity)
    excess = virtual_temperature(parcel.temperature, source.mixing_ratio)
    start = _State(
        source_theta_e(source),
        source.mixing_ratio,
        zero,
        velocity**2,
        excess / parcel.environment_virtual_temperature - 1,
        jnp.ones_like(velocity, bool),
        Rise(base, parcel.level, zero),
    )

    def climb(state: _State, layer):
        level, thickness, theta_e, mixing_ratio, temperature, around, distance, height, sat = layer
        distance = jnp.where(level == parcel.level, height - parcel.height, distance)
        warmth = (state.theta_e - sat.theta_e) / sat.theta_e_slope
        change = sat.slope * warmth
        saturated = jnp.maximum(sat.mixing_ratio * (1 + change * (1 + 0.5 * change)), 0.0)
        vapour = jnp.minimum(state.mixing_ratio, saturated)
        condensate = state.condensate + jnp.maximum(state.mixing_ratio - saturated, 0.0)
        speed = jnp.sqrt(jnp.maximum(state.squared_velocity, 0.25))
        falls = _FALLOUT_RATE / factor * distance / speed
        fallout = condensate * falls / (1 + falls)
        condensate = condensate - fallout
        warmed = warmth * (1 + 0.608 * vapour) + 0.608 * temperature * (vapour - mixing_ratio)
        buoyancy = warmed / around - condensate
        share = per_pascal * thickness
        work = (state.buoyancy + buoyancy) * distance * GRAVITY
        squared = state.squared_velocity * (1 - 2 * share) + work / 1.5
        climbs = (level > base) & state.rises
        arrives = climbs & (squared > _SLOWEST_SQUARED_VELOCITY)
        diluted = 1 / (1 + share)
        arrived = _State(
            (state.theta_e + share * theta_e) * diluted,
            (vapour + share * mixing_ratio) * diluted,
            condensate * diluted,
            squared,
            buoyancy,
            arrives,
            Rise(
                jnp.broadcast_to(level, base.shape),
                jnp.where(buoyancy > 0, level, state.rise.equilibrium),
                state.rise.cape + 0.5 * jnp.maximum(work, 0.0),
            ),
        )
        after = jtu.tree_map(lambda a, b: jnp.where(arrives, a, b), arrived, state)
        after = after._replace(rises=jnp.where(climbs, arrives, state.rises))
        profiles = (
            jnp.where(climbs, buoyancy, 0.0),
            jnp.where(arrives, jnp.sqrt(jnp.maximum(squared, _SLOWEST_SQUARED_VELOCITY)), 0.0),
            jnp.where(arrives, condensate, 0.0),
            jnp.where(arrives, fallout, 0.0),
        )
        return after, profiles

    layers = (
        jnp.arange(1, env.pressure.size),
        env.pressure_thickness[1:],
        env.theta_e[1:],
        env.mixing_ratio[1:],
        env.temperature[1:],
        env.virtual_temperature[1:],
        jnp.diff(env.height),
        env.height[1:],
        _Saturation(*(profile[1:] for profile in saturation)),
    )
    final, profiles = lax.scan(climb, start, layers)
    return final.rise, profiles


def _saturation(env: Environment, theta_e: Float[Array, " level"]) -> _Saturation:
    mixing_ratio = env.mixing_ratio / env.relative_humidity
    slope = saturation_slope(env.temperature)
    heating = _LATENT_HEAT / (HEAT_CAPACITY * env.temperature) * mixing_ratio
    growth = 1 / env.temperature + heating * (slope - 1 / env.temperature)
    return _Saturation(theta_e, mixing_ratio, slope, theta_e * growth)


def _from_ground(profile: Float[Array, " above"]) -> Float[Array, " level"]:
    return jnp.concatenate([jnp.zeros_like(profile[:1]), profile])

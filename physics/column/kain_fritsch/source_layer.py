"""Source layers of updrafts, and whether a parcel of one is set off: Kain 2004, section 2a."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ..thermodynamics import GRAVITY, HEAT_CAPACITY, virtual_temperature
from .environment import Environment, lifted_temperature

_DEPTH = 5e3
_SPACING = 1.5e3
_REACH = 3e4


class SourceLayer(NamedTuple):
    """A layer of air that is mixed and lifted; of all layers, `*base` is `level`."""

    base: Int[Array, "*base"]
    top: Int[Array, "*base"]
    pressure_depth: Float[Array, "*base"]
    temperature: Float[Array, "*base"]
    mixing_ratio: Float[Array, "*base"]
    height: Float[Array, "*base"]
    pressure: Float[Array, "*base"]
    is_candidate: Bool[Array, "*base"]


class LiftedParcel(NamedTuple):
    """The mixed air of a source layer at its lifting condensation level, and around it."""

    temperature: Float[Array, "*base"]
    height: Float[Array, "*base"]
    level: Int[Array, "*base"]
    """The first level that is not below the condensation level; at least 1."""
    fraction: Float[Array, "*base"]
    """Of the way from the level below to `level`."""
    environment_temperature: Float[Array, "*base"]
    environment_virtual_temperature: Float[Array, "*base"]
    exists: Bool[Array, "*base"]
    """Whether the condensation level lies inside the column."""


def source_layers(env: Environment) -> SourceLayer:
    """For every level the shallowest layer above 50 hPa of depth that starts there.

    Candidates are the lowest level and the levels up to 300 hPa above it, 15 hPa apart.
    """
    levels = jnp.arange(env.pressure.size)
    zero = jnp.zeros_like(env.pressure)

    def include(carry, layer):
        depth, sums, top, complete = carry
        level, thickness, values = layer
        grows = (level >= levels) & ~complete
        depth = jnp.where(grows, depth + thickness, depth)
        sums = tuple(
            jnp.where(grows, total + thickness * value, total)
            for total, value in zip(sums, values, strict=True)
        )
        top = jnp.where(grows, level, top)
        return (depth, sums, top, complete | (depth > _DEPTH)), None

    values = (env.temperature, env.mixing_ratio, env.height, env.pressure)
    start = (zero, (zero,) * 4, levels, jnp.zeros_like(levels, bool))
    (depth, sums, top, complete), _ = lax.scan(
        include, start, (levels, env.pressure_thickness, values)
    )
    temperature, mixing_ratio, height, pressure = (total / depth for total in sums)
    # A level from which the column is too shallow ends the search.
    reachable = jnp.cumprod(complete.astype(jnp.int32)).astype(bool)
    return SourceLayer(
        levels,
        top,
        depth,
        temperature,
        mixing_ratio,
        height,
        pressure,
        _is_spaced(env.pressure) & reachable,
    )


def lift(env: Environment, sources: SourceLayer) -> LiftedParcel:
    """Lifts the mixed air of every source layer dry-adiabatically until it is saturated."""
    saturation = lifted_temperature(sources.pressure, sources.temperature, sources.mixing_ratio)
    saturation = jnp.minimum(saturation, sources.temperature)
    return jax.vmap(partial(place, env))(sources, saturation)


def place(
    env: Environment, source: SourceLayer, saturation_temperature: Float[Array, ""]
) -> LiftedParcel:
    """Finds the level at which the lifted air has cooled to `saturation_temperature`."""
    cooling = saturation_temperature - source.temperature
    height = source.height - cooling * (HEAT_CAPACITY / GRAVITY)
    levels = jnp.arange(env.height.size)
    reached = (levels >= source.base) & (height <= env.height)
    exists = jnp.any(reached)
    level = jnp.maximum(jnp.where(exists, jnp.argmax(reached), levels.size - 1), 1)
    below = env.height[level - 1]
    fraction = (height - below) / (env.height[level] - below)
    parcel = LiftedParcel(saturation_temperature, height, level, fraction, height, height, exists)
    temperature = at_parcel(parcel, env.temperature)
    mixing_ratio = at_parcel(parcel, env.mixing_ratio)
    return parcel._replace(
        environment_temperature=temperature,
        environment_virtual_temperature=virtual_temperature(temperature, mixing_ratio),
    )


def at_parcel(parcel: LiftedParcel, profile: Float[Array, " level"]) -> Float[Array, "*base"]:
    """A profile interpolated to the height of the parcel."""
    below = profile[parcel.level - 1]
    return below + (profile[parcel.level] - below) * parcel.fraction


def _is_spaced(pressure: Float[Array, " level"]) -> Bool[Array, " level"]:
    def visit(threshold, value):
        passed = value < threshold
        return jnp.where(passed, threshold - _SPACING, threshold), passed

    _, passed = lax.scan(visit, pressure[0] - _SPACING, pressure[1:])
    passed = jnp.concatenate([jnp.ones(1, bool), passed])
    return passed & (pressure >= pressure[0] - _REACH)

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from closurax.datasets.normalisers import Standardiser
from closurax.physics.column.convection import MEAN_VERTICAL_VELOCITY, PROFILES, SURFACE
from closurax.physics.column.kain_fritsch.environment import environment
from closurax.physics.column.kain_fritsch.scales import (
    least_depth,
    scale_factor,
    subcloud_velocity,
    wind_speed,
)
from closurax.physics.column.kain_fritsch.source_layer import lift, source_layers
from closurax.physics.column.kain_fritsch.test_parcel import raise_test_parcels
from closurax.physics.column.kain_fritsch.trigger import trigger_parcels
from closurax.physics.column.kain_fritsch.updraft import source_theta_e
from closurax.physics.column.thermodynamics import equivalent_potential_temperature

from .features import AbstractColumnFeatures, Features, statistics

_SHORTEST, _LONGEST = 300.0, 86400.0


class ParcelFeatures(AbstractColumnFeatures):
    """What a forecaster would look at first: which air is set off, and how far it would rise.

    Of the environment on each level temperature, logarithm of the vapour mixing ratio, relative
    humidity, equivalent potential temperature as it is and saturated, wind, and the cube root of
    the vertical velocity. Of the air of each source layer how close it is to being set off by
    the trigger of Kain (2004), which is exact, so that columns where nothing is set off are known
    to have no convection; its equivalent potential temperature and its condensation level. Of a
    test parcel, a plume simpler and cheaper than the updraft of the scheme, its buoyancy,
    velocity, condensate and fallout. And the scales of the multi-scale Kain-Fritsch scheme.

    The adjustment time that the test parcel suggests is the timescale: over it the adjustment
    of a column depends less on wind and grid spacing than its tendencies do.
    """

    profile: Standardiser
    surface: Standardiser
    bases: int = eqx.field(static=True, default=24)
    """How many levels from the ground up may be the base of a source layer."""

    @classmethod
    def fit(cls, inputs: Mapping[str, Array | np.ndarray], bases: int = 24) -> "ParcelFeatures":
        """The statistics of each feature, on each level, over columns with a leading axis.

        Only columns where convection is possible count, because only those reach the network.
        """
        read = {
            quantity.name: jnp.asarray(inputs[quantity.name])
            for quantity in (*PROFILES, MEAN_VERTICAL_VELOCITY, *SURFACE)
        }
        raw = jax.jit(lambda read: jax.lax.map(lambda i: _raw(i, bases), read, batch_size=2048))(
            read
        )
        counts = np.asarray(raw.may_convect)
        if not counts.any():
            counts = np.ones_like(counts)
        profile, scalars = np.asarray(raw.profile)[counts], np.asarray(raw.scalars)[counts]
        return cls(statistics(profile), statistics(scalars), bases)

    def raw(self, inputs: Mapping[str, Any]) -> Features:
        return _raw(inputs, self.bases)


def _raw(inputs: Mapping[str, Any], bases: int) -> Features:
    env = environment(inputs)
    dtype = env.pressure.dtype
    levels = jnp.arange(env.pressure.size)
    bases = min(bases, env.pressure.size)
    scalar = {q.name: jnp.asarray(inputs[q.name], dtype) for q in SURFACE}
    spacing, factor = scalar["grid_spacing"], scale_factor(scalar["grid_spacing"])
    layers = source_layers(env)
    parcels = lift(env, layers)
    trigger = trigger_parcels(env, layers, parcels, spacing)
    saturated = equivalent_potential_temperature(
        env.pressure, env.temperature, env.mixing_ratio / env.relative_humidity, env.temperature
    )
    test = raise_test_parcels(env, saturated, layers, parcels, trigger, factor, bases)
    lowest = levels < bases
    may_convect = jnp.any(trigger.is_triggered & lowest)
    source, parcel, rise = test.source, test.parcel, test.rise

    speed = wind_speed(env)
    half_way = jnp.max(jnp.where(env.pressure >= 0.5 * env.pressure[0], levels, 0))
    advection = spacing / jnp.maximum(0.5 * (speed[parcel.level] + speed[half_way]), 0.1)
    stirring = subcloud_velocity(inputs, env, source, parcel)
    required = least_depth(parcel.temperature)
    depth = jnp.maximum(env.height[rise.top] - parcel.height, required)
    energy = jnp.maximum(rise.cape, 1.0)
    overturning = depth * factor / (0.03 * stirring * energy) ** 0.3333
    timescale = jnp.clip(jnp.maximum(advection, overturning), _SHORTEST, _LONGEST)

    def on(level):
        return ((levels == level) & may_convect).astype(dtype)

    candidate = layers.is_candidate & lowest
    margin = jnp.where(candidate, jnp.clip(trigger.margin, -6.0, 6.0), -6.0)
    in_source = (levels >= source.base) & (levels <= source.top) & may_convect
    vertical_velocity = env.mean_vertical_velocity
    weak = jnp.abs(vertical_velocity) > 1e-9
    root = jnp.where(weak, jnp.abs(vertical_velocity), 1.0) ** 0.33
    profile = (
        env.temperature,
        jnp.log(env.mixing_ratio),
        env.relative_humidity,
        env.theta_e,
        saturated,
        env.eastward_wind,
        env.northward_wind,
        speed,
        jnp.where(weak, jnp.sign(vertical_velocity) * root, 0.0),
        margin,
        jnp.where(candidate, jnp.tanh(margin / 0.15), -1.0),
        jnp.where(lowest, source_theta_e(layers), 0.0),
        jnp.where(lowest, parcels.height / 1e3, 0.0),
        jnp.where(lowest, parcels.level.astype(dtype), 0.0),
        on(parcel.level),
        in_source.astype(dtype),
        100 * test.buoyancy,
        test.velocity,
        1e3 * test.condensate,
        1e3 * test.fallout,
        on(rise.top),
        on(rise.equilibrium),
    )
    required_of_all = least_depth(parcels.temperature[:bases])
    excess_depth = jnp.clip((test.depths - required_of_all) / 2e3, -2.0, 2.0)
    triggered = trigger.is_triggered[:bases]
    scalars = (
        jnp.log(spacing),
        factor,
        jnp.log(scalar["time_step"]),
        jnp.log(scalar["friction_velocity"]),
        scalar["sensible_heat_flux"],
        jnp.clip(scalar["stability_parameter"], -10.0, 3.0),
        jnp.log(env.pressure[0]),
        jnp.log(stirring),
        test.base.astype(dtype),
        parcel.height / 1e3,
        parcel.temperature,
        test.velocity_at_base,
        jnp.max(margin),
        jnp.log(advection),
        1e3 * source.mixing_ratio,
        jnp.sum(triggered).astype(dtype),
        energy / 1e3,
        jnp.log(energy),
        depth / 1e3,
        (depth > required).astype(dtype),
        jnp.log(timescale),
        jnp.log(overturning),
        jnp.any(test.is_deep).astype(dtype),
        jnp.any(test.forms).astype(dtype),
        jnp.sum(test.is_deep).astype(dtype),
        jnp.sum(test.forms).astype(dtype),
        jnp.max(test.depths) / 1e3,
        rise.equilibrium.astype(dtype),
        rise.top.astype(dtype),
        *jnp.where(triggered, excess_depth, -2.5),
    )
    return Features(jnp.stack(profile, axis=1), jnp.stack(scalars), timescale, may_convect)

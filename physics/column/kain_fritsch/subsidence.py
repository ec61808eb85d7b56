"""The environment under the drafts: compensating motion, entrainment and detrainment."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..thermodynamics import GRAVITY, moist_exner_function
from .downdraft import Downdraft
from .environment import Environment
from .updraft import Ascent, Updraft
from .while_loop import while_loop

_COURANT_LIMIT = 0.75
_MOST_SUBSTEPS = 64  # only of derivatives; deep clouds take 2 to 14


class Exchange(NamedTuple):
    """What a unit of mass flux does to the layers; scale it to get that of another mass flux."""

    mass: Float[Array, " level"]
    """Of the air in the layer, in kg."""
    upward: Float[Array, " level"]
    """The mass flux of the environment through the lower interface of the layer, in kg s-1."""
    sources: Float[Array, "2 level"]
    """Of potential temperature (K kg s-1) and vapour (kg s-1) by the drafts."""
    in_cloud: Bool[Array, " level"]
    """Whether the layer is at or below the cloud top."""


def exchange(
    env: Environment,
    ascent: Ascent,
    updraft: Updraft,
    downdraft: Downdraft,
    area: Float[Array, ""],
) -> Exchange:
    """The exchange between the drafts and the environment."""
    levels = jnp.arange(env.pressure.size)
    in_cloud = levels <= ascent.top
    inflow = updraft.entrainment - downdraft.entrainment
    convergence = jnp.where(in_cloud, updraft.detrainment + downdraft.detrainment - inflow, 0.0)
    lower_triangle = jnp.tril(jnp.ones((levels.size, levels.size), inflow.dtype), -1)
    upward = jnp.where(in_cloud, lower_triangle @ convergence, 0.0)
    environment = potential_temperature(env)
    detrained = updraft.detrained_mixing_ratio
    theta_updraft = updraft.temperature * moist_exner_function(env.pressure, detrained)
    sources = jnp.stack(
        [
            updraft.detrainment * theta_updraft
            + downdraft.detrainment * downdraft.potential_temperature
            - inflow * environment,
            updraft.detrainment * detrained
            + downdraft.detrainment * downdraft.mixing_ratio
            - inflow * env.mixing_ratio,
        ]
    )
    mass = env.pressure_thickness * area / GRAVITY
    return Exchange(mass, upward, jnp.where(in_cloud[None], sources, 0.0), in_cloud)


def potential_temperature(env: Environment) -> Float[Array, " level"]:
    return env.temperature * moist_exner_function(env.pressure, env.mixing_ratio)


def count_substeps(
    exchanged: Exchange, scale: Float[Array, ""], timescale: Float[Array, ""]
) -> Int[Array, ""]:
    """How many substeps keep the flux out of a layer below three quarters of its mass."""
    lower_mass = jnp.concatenate([exchanged.mass[:1], exchanged.mass[:-1]])
    courant = jnp.abs(scale * exchanged.upward) * timescale / (_COURANT_LIMIT * lower_mass)
    steps = jnp.maximum(jnp.max(jnp.where(exchanged.in_cloud, courant, 0.0)), 1.0)
    return jnp.round(steps + 1).astype(jnp.int32)


def transport(
    fields: Float[Array, "quantity level"],
    sources: Float[Array, "quantity level"],
    exchanged: Exchange,
    scale: Float[Array, ""],
    timescale: Float[Array, ""],
    substeps: Int[Array, ""],
) -> Float[Array, "quantity level"]:
    """The fields after `timescale` of upstream transport, forward in time, and of `sources`."""
    step = timescale / substeps.astype(timescale.dtype)
    share = jnp.where(exchanged.in_cloud, step / exchanged.mass, 0.0)
    rising = scale * jnp.maximum(exchanged.upward, 0.0)
    sinking = scale * jnp.maximum(-exchanged.upward, 0.0)
    weights = _Weights(
        kept=1 - share * (sinking + _shifted_down(rising)),
        from_below=share * rising,
        from_above=share * _shifted_down(sinking),
        gain=(share * scale)[None] * sources,
    )
    start = (jnp.zeros_like(substeps), fields)
    _, after = while_loop(_is_early, _advance, start, (substeps, weights), _MOST_SUBSTEPS)
    return after


class _Weights(NamedTuple):
    """Of a layer and its neighbours in a substep, and what the sources add to it."""

    kept: Float[Array, " level"]
    from_below: Float[Array, " level"]
    from_above: Float[Array, " level"]
    gain: Float[Array, "quantity level"]


def _is_early(state, args) -> Bool[Array, ""]:
    return state[0] < args[0]


def _advance(state, args):
    (step, fields), (_, weights) = state, args
    kept, below, above = (weight[None] for weight in weights[:3])
    moved = below * _shifted_up(fields) + above * _shifted_down(fields)
    return step + 1, kept * fields + moved + weights.gain


def _shifted_up(values: Float[Array, "*quantity level"]) -> Float[Array, "*quantity level"]:
    return jnp.concatenate([jnp.zeros_like(values[..., :1]), values[..., :-1]], axis=-1)


def _shifted_down(values: Float[Array, "*quantity level"]) -> Float[Array, "*quantity level"]:
    return jnp.concatenate([values[..., 1:], jnp.zeros_like(values[..., :1])], axis=-1)

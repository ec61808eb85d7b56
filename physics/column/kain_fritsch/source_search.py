"""The search for the source layer of the cloud: Kain 2004, section 2a."""

from typing import NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from .environment import Environment
from .scales import least_depth
from .source_layer import LiftedParcel, SourceLayer
from .trigger import Trigger
from .updraft import Ascent, UpdraftScales, ascend

NONE, DEEP, SHALLOW = 0, 1, 2


class Sources(NamedTuple):
    """What is known of a column and its source layers before an updraft rises."""

    env: Environment
    layers: SourceLayer
    parcels: LiftedParcel
    trigger: Trigger
    scales: UpdraftScales


class Choice(NamedTuple):
    """The source layer of the cloud, and whether the cloud is none, deep or shallow."""

    base: Int[Array, ""]
    kind: Int[Array, ""]


class Search(NamedTuple):
    """How far the search has come: the source layer to try next, the best so far, its depth."""

    next: Int[Array, ""]
    choice: Choice
    tallest: Float[Array, ""]


def choose(sources: Sources) -> Choice:
    """The lowest source layer of a deep cloud, or else the one of the tallest shallow cloud."""

    def step(search: Search) -> Search:
        return try_next(search, sources)

    return lax.while_loop(is_open, step, begin(sources)).choice


def begin(sources: Sources) -> Search:
    """The search before its first updraft."""
    # An index, and of the type of one.
    none = jnp.zeros_like(sources.layers.base[0])
    depth = jnp.zeros_like(sources.env.height[0])
    return Search(_following(sources.trigger, none), Choice(none, none), depth)


def is_open(search: Search) -> Bool[Array, ""]:
    """Whether an updraft is left that could change the choice."""
    return (search.next >= 0) & (search.choice.kind != DEEP)


def try_next(search: Search, sources: Sources) -> Search:
    """Lets the updraft of the next source layer rise."""
    env, base = sources.env, search.next
    source, parcel = jtu.tree_map(lambda of_all: of_all[base], (sources.layers, sources.parcels))
    ascent, _ = ascend(env, source, parcel, sources.trigger.velocity[base], sources.scales)
    forms = (ascent.top > parcel.level) & (ascent.top > source.top)
    forms = forms & (ascent.equilibrium + 1 > source.top)
    forms = forms & ~_is_saturated(env, parcel, ascent)
    depth = env.height[ascent.top] - parcel.height
    is_deep = forms & (depth > least_depth(parcel.temperature)) & (ascent.cape > 1)
    is_taller = forms & ~is_deep & (depth > search.tallest)
    kind = jnp.where(is_deep, DEEP, jnp.where(is_taller, SHALLOW, search.choice.kind))
    chosen = jnp.where(is_deep | is_taller, base, search.choice.base)
    tallest = jnp.where(is_taller, depth, search.tallest)
    return Search(_following(sources.trigger, base + 1), Choice(chosen, kind), tallest)


def _following(trigger: Trigger, start: Int[Array, ""]) -> Int[Array, ""]:
    """The lowest source layer from `start` on whose air is set off; -1 if there is none."""
    levels = jnp.arange(trigger.is_triggered.size)
    waits = trigger.is_triggered & (levels >= start)
    return jnp.where(jnp.any(waits), jnp.argmax(waits), -1).astype(start.dtype)


def _is_saturated(env: Environment, parcel: LiftedParcel, ascent: Ascent) -> Bool[Array, ""]:
    """Whether the grid scale condenses already around the whole cloud."""
    celsius = env.temperature - 273.16
    over_ice = 611.2 * jnp.exp(21.87 * celsius / (env.temperature - 7.66))
    over_water = 611.2 * jnp.exp(17.67 * celsius / (243.5 + celsius))
    pressure = jnp.where(celsius <= 0, over_ice, over_water)
    humidity = env.mixing_ratio / (0.622 * pressure / (env.pressure - pressure))
    levels = jnp.arange(env.pressure.size)
    base = parcel.level - 1
    counts = (levels >= base - 1) & (levels <= ascent.top + 1)
    unsaturated = counts & (levels > base) & (humidity < 0.99)
    number = (ascent.top - base + 3).astype(humidity.dtype)
    mean = jnp.sum(jnp.where(counts, humidity, 0.0)) / number
    return ~jnp.any(unsaturated) & (mean >= 1.01)

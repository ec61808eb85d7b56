from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..thermodynamics import GRAVITY
from .environment import Environment
from .plume_physics import safe_sqrt
from .scales import REFERENCE_SPACING
from .source_layer import LiftedParcel, SourceLayer, at_parcel


class Trigger(NamedTuple):
    """Of every level as the base of a source layer, whether its air is set off, and how fast."""

    is_triggered: Bool[Array, " level"]
    margin: Float[Array, " level"]
    """How much warmer than its environment the lifted air counts, in K."""
    velocity: Float[Array, " level"]
    """Of the updraft at its base, in m s-1."""


def trigger_parcels(
    env: Environment,
    layers: SourceLayer,
    parcels: LiftedParcel,
    spacing: Float[Array, ""],
    coefficient: Float[Array, ""] | float = 4.64,
    threshold: Float[Array, ""] | float = 0.02,
) -> Trigger:
    """Large-scale ascent makes a parcel count as warmer than it is: Kain 2004, eqs. 1 to 3.

    **Arguments:**

    - `layers`, `parcels`: of all levels.
    - `coefficient`: the excess temperature in K at a vertical velocity of 1 m s-1.
    - `threshold`: the velocity in m s-1 that sets nothing off, from 2 km up.
    """
    ascent = at_parcel(parcels, env.mean_vertical_velocity)
    ascent = jnp.where(spacing >= REFERENCE_SPACING, ascent * spacing / REFERENCE_SPACING, ascent)
    excess = ascent - threshold * jnp.minimum(parcels.height / 2e3, 1.0)
    rises = excess >= 1e-4
    warming = jnp.where(rises, coefficient * jnp.where(rises, excess, 1.0) ** 0.33, 0.0)
    margin = parcels.temperature + warming - parcels.environment_temperature
    is_warm = parcels.temperature + warming >= parcels.environment_temperature
    # A source layer whose air is saturated only above the column ends the search.
    is_open = jnp.cumsum((layers.is_candidate & ~parcels.exists).astype(jnp.int32)) == 0
    is_triggered = is_warm & layers.is_candidate & parcels.exists & is_open
    work = 1000 * GRAVITY * warming / parcels.environment_virtual_temperature
    velocity = jnp.where(warming > 1e-4, 1 + 0.5 * safe_sqrt(work), 1.0)
    return Trigger(is_triggered, margin, jnp.minimum(velocity, 3.0))

r"""What convection must conserve in a column, and the smallest changes that make it do so.

All functions take what a convection scheme reads and returns for one column, by the names of
`closurax.physics.column.convection`. With $m = \rho\, \Delta z$ the mass of a layer, the column
conserves water if $\sum m\, (q_v + q_c + q_r + q_i + q_s)^\bullet$ is minus the precipitation
rate, and momentum if $\sum m\, u^\bullet = \sum m\, v^\bullet = 0$.

The corrections are orthogonal projections: of all outputs that conserve, they return the closest
ones, so that they never take a scheme further away from data that conserve themselves. Levels
where a scheme does nothing stay as they are.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .convection import TENDENCIES
from .thermodynamics import HEAT_CAPACITY, exner_function, latent_heat_of_vaporisation

CONDENSATES = (
    "cloud_water_tendency",
    "rain_water_tendency",
    "cloud_ice_tendency",
    "snow_tendency",
)
"""The tendencies of all water but vapour."""

MOMENTUM = ("eastward_wind_tendency", "northward_wind_tendency")

LATENT_HEAT_OF_FUSION = 3.339e5
"""In J kg-1, as the Kain-Fritsch schemes have it."""


def layer_mass(inputs: Mapping[str, Any]) -> Float[Array, " level"]:
    """The mass of each layer in kg m-2."""
    return inputs["air_density"] * inputs["layer_thickness"]


def water_budget(
    outputs: Mapping[str, Array], inputs: Mapping[str, Any]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""The residual of the column's water and the gross exchange of vapour, in kg m-2 s-1.

    $\sum m\, (q_v + q_c + q_r + q_i + q_s)^\bullet + P$, zero if water is conserved, and
    $\sum m\, |q_v^\bullet|$ to compare it with.
    """
    mass = layer_mass(inputs)
    vapour = mass * outputs["vapour_tendency"]
    condensate = mass * sum(outputs[name] for name in CONDENSATES)
    return (
        jnp.sum(vapour + condensate) + outputs["precipitation_rate"],
        jnp.sum(jnp.abs(vapour)),
    )


def enthalpy_budget(
    outputs: Mapping[str, Array], inputs: Mapping[str, Any]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""The residual of the column's enthalpy and the gross heating, in W m-2.

    $\sum m\, [c_p T^\bullet + L_v q_v^\bullet - L_f (q_i + q_s)^\bullet]$, and
    $\sum m\, c_p |T^\bullet|$ to compare it with. The Kain-Fritsch schemes themselves close it to
    a few per cent only.
    """
    mass = layer_mass(inputs)
    exner = exner_function(inputs["air_pressure"])
    heating = mass * HEAT_CAPACITY * exner * outputs["potential_temperature_tendency"]
    latent = latent_heat_of_vaporisation(inputs["air_temperature"]) * outputs["vapour_tendency"]
    fusion = LATENT_HEAT_OF_FUSION * (outputs["cloud_ice_tendency"] + outputs["snow_tendency"])
    return jnp.sum(heating + mass * (latent - fusion)), jnp.sum(jnp.abs(heating))


def momentum_budget(
    outputs: Mapping[str, Array], inputs: Mapping[str, Any]
) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """The eastward and northward momentum that a column gains, and the gross exchange, in Pa."""
    exchange = layer_mass(inputs)[None] * jnp.stack([outputs[name] for name in MOMENTUM])
    return jnp.sum(exchange, axis=1), jnp.sum(jnp.abs(exchange), axis=1)


def close_water(outputs: Mapping[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
    r"""The outputs with the vapour tendency changed so that the column conserves water.

    $q_v^\bullet - R\, m q_v^2 / \sum m^2 q_v^2$ with the residual $R$ of `water_budget`: the
    smallest change, relative to the vapour that there is. If there is no vapour tendency to
    correct, there is no condensation either: condensate tendencies and precipitation become zero.
    """
    mass = layer_mass(inputs)
    vapour = outputs["vapour_tendency"]
    condensate = mass * sum(outputs[name] for name in CONDENSATES)
    made = jnp.sum(condensate) + outputs["precipitation_rate"]
    changes = vapour != 0
    correctable = jnp.any(changes)
    condensed = {
        name: jnp.where(correctable, outputs[name], 0)
        for name in (*CONDENSATES, "precipitation_rate")
    }
    made = jnp.where(correctable, made, 0)
    # Above zero, so that a column without any vapour is not divided by zero.
    available = jnp.maximum(inputs["vapour_mixing_ratio"], 1e-9)
    spread = jnp.where(changes, available**2, 0)
    return {**outputs, **condensed, "vapour_tendency": _with_sum(vapour, mass, spread, -made)}


def close_momentum(outputs: Mapping[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
    r"""The outputs with wind tendencies that move momentum, but neither make nor destroy it.

    $u^\bullet - m \sum m u^\bullet / \sum m^2$ over the levels with a tendency, likewise $v$.
    """
    mass = layer_mass(inputs)
    closed = {}
    for name in MOMENTUM:
        spread = (outputs[name] != 0).astype(mass.dtype)
        closed[name] = _with_sum(outputs[name], mass, spread, jnp.zeros((), mass.dtype))
    return {**outputs, **closed}


def keep_vapour(outputs: Mapping[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
    r"""The outputs scaled down so that no layer loses more vapour in a time step than it has.

    All tendencies and the precipitation rate by the same factor, the largest up to 1 with
    $q_v + \Delta t\, q_v^\bullet \ge 0$ on all levels, so that what was conserved stays so.
    """
    available = inputs["vapour_mixing_ratio"]
    loss = -inputs["time_step"] * outputs["vapour_tendency"]
    exceeds = loss > available
    # A little less than all of it, so that rounding leaves nothing negative.
    safe = (1 - 8 * jnp.finfo(available.dtype).eps) * jnp.maximum(available, 0)
    factor = jnp.min(jnp.where(exceeds, safe / jnp.where(exceeds, loss, 1), 1))
    return scale_column(outputs, factor)


def scale_column(outputs: Mapping[str, Array], factor: Float[Array, ""]) -> dict[str, Array]:
    """The outputs with all tendencies and the precipitation rate multiplied by `factor`."""
    names = (*(quantity.name for quantity in TENDENCIES), "precipitation_rate")
    return {**outputs, **{name: factor * outputs[name] for name in names}}


def _with_sum(
    tendency: Float[Array, " level"],
    mass: Float[Array, " level"],
    spread: Float[Array, " level"],
    total: Float[Array, ""],
) -> Float[Array, " level"]:
    """The closest tendency, in units of the square root of `spread`, whose sum is `total`."""
    share = mass * spread
    norm = jnp.sum(mass * share)
    share = share / jnp.where(norm > 0, norm, 1)
    # Twice, because the first sum is rounded at the size of what cancels in it.
    for _ in range(2):
        tendency = tendency - share * (jnp.sum(mass * tendency) - total)
    return tendency

"""The scales on which the multi-scale Kain-Fritsch scheme depends: Zheng et al. 2016."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..thermodynamics import GRAVITY, HEAT_CAPACITY, exner_function
from .environment import Environment
from .plume_physics import safe_sqrt
from .source_layer import LiftedParcel, SourceLayer

REFERENCE_SPACING = 25e3
"""The grid spacing in m from which on the scheme is that of Kain (2004)."""


def scale_factor(spacing: Float[Array, ""]) -> Float[Array, ""]:
    r"""$1 + \ln(25\,\mathrm{km} / \Delta x)$ below 25 km, and 1 above."""
    return jnp.where(
        spacing >= 0.99996 * REFERENCE_SPACING, 1.0, 1 + jnp.log(REFERENCE_SPACING / spacing)
    )


def least_depth(temperature: Float[Array, "*base"]) -> Float[Array, "*base"]:
    """The depth in m above which a cloud of this base temperature is deep: Kain 2004, eq. 7."""
    return jnp.clip(2e3 + 100 * (temperature - 273.0), 2e3, 4e3)


def wind_speed(env: Environment) -> Float[Array, " level"]:
    """In m s-1."""
    return safe_sqrt(env.eastward_wind**2 + env.northward_wind**2)


def subcloud_velocity(
    inputs: Mapping[str, Any], env: Environment, source: SourceLayer, parcel: LiftedParcel
) -> Float[Array, ""]:
    """The velocity scale below the cloud in m s-1: Zheng et al. 2016."""
    dtype = env.pressure.dtype
    friction, heat_flux, stability = (
        jnp.asarray(inputs[name], dtype)
        for name in ("friction_velocity", "sensible_heat_flux", "stability_parameter")
    )
    density = inputs["air_density"][0]
    theta = env.temperature[0] / exner_function(env.pressure[0])
    buoyancy_flux = GRAVITY / theta * heat_flux / (density * HEAT_CAPACITY)
    cloud_base = jnp.maximum(parcel.height, env.height[source.top])
    cubed = jnp.maximum(buoyancy_flux, 0.0) * cloud_base
    is_heated = cubed > 0
    convective = jnp.where(is_heated, jnp.where(is_heated, cubed, 1.0) ** 0.333, 0.0)
    is_unstable = stability <= 0
    unstable = jnp.where(is_unstable, -stability, 1.0) ** (2 / 3)
    squared = 3.8 * friction**2 + jnp.where(
        is_unstable, 0.22 * convective**2 + 1.9 * friction**2 * unstable, 0.0
    )
    return jnp.maximum(jnp.sqrt(squared), 0.1)

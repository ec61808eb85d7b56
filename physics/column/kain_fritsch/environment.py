from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..thermodynamics import (
    GRAVITY,
    SATURATION_SCALE,
    dew_point,
    equivalent_potential_temperature,
    lifted_saturation_temperature,
    saturation_mixing_ratio,
    vapour_pressure,
    virtual_temperature,
)
from .saturation_table import PressureNodes, log_vapour_ratio, pressure_nodes

_LOWEST_MIXING_RATIO = 1e-6


class Environment(NamedTuple):
    """The column around the clouds, `(level,)` from the lowest layer up."""

    pressure: Float[Array, " level"]
    temperature: Float[Array, " level"]
    mixing_ratio: Float[Array, " level"]
    """In kg kg-1, between 1e-6 and saturation."""
    relative_humidity: Float[Array, " level"]
    virtual_temperature: Float[Array, " level"]
    theta_e: Float[Array, " level"]
    """The equivalent potential temperature in K."""
    height: Float[Array, " level"]
    """Of the middle of the layer above ground, in m."""
    thickness: Float[Array, " level"]
    pressure_thickness: Float[Array, " level"]
    eastward_wind: Float[Array, " level"]
    northward_wind: Float[Array, " level"]
    mean_vertical_velocity: Float[Array, " level"]
    nodes: PressureNodes


def environment(inputs: Mapping[str, Any]) -> Environment:
    """The environment of a convection scheme's `inputs`."""
    pressure, temperature = inputs["air_pressure"], inputs["air_temperature"]
    saturation = saturation_mixing_ratio(pressure, temperature)
    mixing_ratio = jnp.minimum(saturation, inputs["vapour_mixing_ratio"])
    mixing_ratio = jnp.maximum(mixing_ratio, _LOWEST_MIXING_RATIO)
    thickness = inputs["layer_thickness"]
    lower_half = jnp.concatenate([jnp.zeros_like(thickness[:1]), thickness[:-1]])
    height = jnp.cumsum(0.5 * (thickness + lower_half))
    return Environment(
        pressure=pressure,
        temperature=temperature,
        mixing_ratio=mixing_ratio,
        relative_humidity=mixing_ratio / saturation,
        virtual_temperature=virtual_temperature(temperature, mixing_ratio),
        theta_e=lifted_theta_e(pressure, temperature, mixing_ratio),
        height=height,
        thickness=thickness,
        pressure_thickness=inputs["air_density"] * GRAVITY * thickness,
        eastward_wind=inputs["eastward_wind"],
        northward_wind=inputs["northward_wind"],
        mean_vertical_velocity=inputs["mean_vertical_velocity"],
        nodes=pressure_nodes(pressure),
    )


def lifted_temperature(
    pressure: Float[Array, "*shape"],
    temperature: Float[Array, "*shape"],
    mixing_ratio: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """The temperature in K at which the air becomes saturated when it is lifted."""
    ratio = vapour_pressure(pressure, mixing_ratio) / SATURATION_SCALE
    return lifted_saturation_temperature(temperature, dew_point(log_vapour_ratio(ratio)))


def lifted_theta_e(
    pressure: Float[Array, "*shape"],
    temperature: Float[Array, "*shape"],
    mixing_ratio: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """The equivalent potential temperature of unsaturated air in K."""
    saturation = lifted_temperature(pressure, temperature, mixing_ratio)
    return equivalent_potential_temperature(pressure, temperature, mixing_ratio, saturation)

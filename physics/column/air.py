"""The air of a column at one time: what every process computes with."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .column_state import ColumnState
from .surface_conditions import SurfaceConditions
from .thermodynamics import GRAVITY, air_density, exner_function


class Air(NamedTuple):
    """The air of a column at one time, the lowest layer first."""

    state: ColumnState
    pressure: Float[Array, " level"]
    """In Pa."""
    mass: Float[Array, " level"]
    """Of the layers in kg m-2."""
    exner: Float[Array, " level"]
    """Temperature over potential temperature."""
    density: Float[Array, " level"]
    """In kg m-3."""
    thickness: Float[Array, " level"]
    """Of the layers in m."""
    interface_height: Float[Array, " level_w"]
    """Above the ground in m, the ground first."""
    interface_density: Float[Array, " level_w"]
    """In kg m-3, linear in height between the layers."""
    pressure_velocity: Float[Array, " level_w"]
    """Of the large scales in Pa s-1, positive downward."""
    surface: SurfaceConditions | None = None

    @property
    def height(self) -> Float[Array, " level"]:
        """Of the middle of the layers above the ground in m."""
        return 0.5 * (self.interface_height[:-1] + self.interface_height[1:])

    @property
    def potential_temperature(self) -> Float[Array, " level"]:
        """In K."""
        return self.state.temperature / self.exner


def make_air(
    state: ColumnState,
    pressure: Float[Array, " level"],
    interface_pressure: Float[Array, " level_w"],
    pressure_velocity: Float[Array, " level_w"],
) -> Air:
    """The air of a hydrostatic column, without its surface."""
    mass = (interface_pressure[:-1] - interface_pressure[1:]) / GRAVITY
    density = air_density(pressure, state.temperature, state.vapour)
    thickness = mass / density
    height = jnp.concatenate([jnp.zeros_like(thickness[:1]), jnp.cumsum(thickness)])
    below, above = thickness[:-1], thickness[1:]
    between = (below * density[1:] + above * density[:-1]) / (below + above)
    return Air(
        state=state,
        pressure=pressure,
        mass=mass,
        exner=exner_function(pressure),
        density=density,
        thickness=thickness,
        interface_height=height,
        interface_density=jnp.concatenate([density[:1], between, density[-1:]]),
        pressure_velocity=pressure_velocity,
    )

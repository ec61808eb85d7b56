from typing import NamedTuple

from jaxtyping import Array, Float


class SurfaceConditions(NamedTuple):
    """What the ground does to the air, and the boundary layer above it; all scalars."""

    sensible_heat_flux: Float[Array, ""]
    """Upward in W m-2."""
    moisture_flux: Float[Array, ""]
    """Upward in kg m-2 s-1."""
    friction_velocity: Float[Array, ""]
    """In m s-1."""
    boundary_layer_height: Float[Array, ""]
    """In m."""
    stability_parameter: Float[Array, ""]
    """z / L of the lowest level."""

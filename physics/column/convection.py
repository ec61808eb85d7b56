"""What every convection scheme reads and returns, so that each fits in the place of another."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Array

from ..scheme import AbstractMemorylessScheme, Quantity

PROFILES = (
    Quantity("air_pressure", "Pa"),
    Quantity("air_temperature", "K"),
    Quantity("vapour_mixing_ratio", "kg kg-1"),
    Quantity("eastward_wind", "m s-1"),
    Quantity("northward_wind", "m s-1"),
    Quantity("air_density", "kg m-3"),
    Quantity("layer_thickness", "m"),
)
"""Arrays `(level,)` of the layers, the lowest layer first."""

MEAN_VERTICAL_VELOCITY = Quantity("mean_vertical_velocity", "m s-1")
"""The running mean in time of the vertical velocity in the layers, `(level,)`."""

VERTICAL_VELOCITY = Quantity("vertical_velocity", "m s-1")
"""The vertical velocity at the interfaces, `(level + 1,)`, the ground first."""

SURFACE = (
    Quantity("grid_spacing", "m"),
    Quantity("time_step", "s"),
    Quantity("friction_velocity", "m s-1"),
    Quantity("sensible_heat_flux", "W m-2"),
    Quantity("boundary_layer_height", "m"),
    Quantity("stability_parameter", "1"),
)
"""Scalars; the stability parameter is z/L of the lowest level, upward fluxes are positive."""

TENDENCIES = (
    Quantity("potential_temperature_tendency", "K s-1"),
    Quantity("vapour_tendency", "kg kg-1 s-1"),
    Quantity("cloud_water_tendency", "kg kg-1 s-1"),
    Quantity("rain_water_tendency", "kg kg-1 s-1"),
    Quantity("cloud_ice_tendency", "kg kg-1 s-1"),
    Quantity("snow_tendency", "kg kg-1 s-1"),
    Quantity("eastward_wind_tendency", "m s-2"),
    Quantity("northward_wind_tendency", "m s-2"),
)
"""Arrays `(level,)`."""

SCALARS = (
    Quantity("precipitation_rate", "kg m-2 s-1"),
    Quantity("convective_lifetime", "s"),
    Quantity("convection_class", "1"),
    Quantity("cloud_base_level", "1"),
    Quantity("cloud_top_level", "1"),
)
"""Scalars. The class is 0 for none, 1 for deep, 2 for shallow; levels count from 1 at the ground,
and without convection the base is one above the number of levels and the top is 1."""


class AbstractConvection(AbstractMemorylessScheme):
    """A convection scheme without memory: what it does if it is called anew.

    `PersistentConvection` gives it the memory that it needs inside a simulation.
    """

    reads = (*PROFILES, MEAN_VERTICAL_VELOCITY, *SURFACE)
    returns: ClassVar[tuple[Quantity, ...]] = (*TENDENCIES, *SCALARS)

    @abstractmethod
    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """Maps one column to the quantities in `returns`."""

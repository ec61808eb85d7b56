import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import DataError
from .time_series import TimeSeries


class ColumnLevels(eqx.Module):
    r"""Layers at the pressure $p = a + b\, p_s(t)$ with a prescribed surface pressure.

    `levels(t, dtype)` returns the pressure in Pa of the layers and of their interfaces, the
    lowest first. With $b = 0$, the default, the pressure is fixed.
    """

    pressure: Float[Array, " level"]
    interface_pressure: Float[Array, " level_w"]
    weight: Float[Array, " level"] | None
    interface_weight: Float[Array, " level_w"] | None
    surface_pressure: TimeSeries | None

    def __init__(
        self,
        pressure: Float[np.ndarray | Array, " level"],
        interface_pressure: Float[np.ndarray | Array, " level_w"],
        weight: Float[np.ndarray | Array, " level"] | None = None,
        interface_weight: Float[np.ndarray | Array, " level_w"] | None = None,
        surface_pressure: TimeSeries | None = None,
    ):
        """**Arguments:**

        - `pressure`, `interface_pressure`: $a$ in Pa, of `n` layers and `n + 1` interfaces.
        - `weight`, `interface_weight`: $b$ of both.
        - `surface_pressure`: $p_s$ in Pa.

        Raises `DataError` unless the interfaces lie between the layers, the lowest first, and
        weights come with a surface pressure.
        """
        both = (weight is None) == (interface_weight is None) == (surface_pressure is None)
        if not both:
            raise DataError("Hybrid levels take both weights and the surface pressure, or none.")
        self.pressure = jnp.asarray(pressure, float)
        self.interface_pressure = jnp.asarray(interface_pressure, float)
        self.weight = None if weight is None else jnp.asarray(weight, float)
        self.interface_weight = (
            None if interface_weight is None else jnp.asarray(interface_weight, float)
        )
        self.surface_pressure = surface_pressure
        middle, edges = (np.asarray(p) for p in self(0.0, self.pressure.dtype))
        if edges.shape != (middle.size + 1,):
            raise DataError(
                f"{middle.size} layers have {middle.size + 1} interfaces, not {edges.size}."
            )
        if not ((edges[:-1] > middle).all() and (middle > edges[1:]).all() and edges[-1] >= 0):
            raise DataError(
                "Pressure must decrease from interface to layer to interface, the ground first; "
                "reverse the levels, or give the pressure in Pa."
            )

    def __call__(self, t, dtype) -> tuple[Float[Array, " level"], Float[Array, " level_w"]]:
        middle, edges = self.pressure.astype(dtype), self.interface_pressure.astype(dtype)
        if self.surface_pressure is None or self.weight is None or self.interface_weight is None:
            return middle, edges
        surface_pressure = self.surface_pressure(t, dtype)
        return (
            middle + self.weight.astype(dtype) * surface_pressure,
            edges + self.interface_weight.astype(dtype) * surface_pressure,
        )

    @property
    def count(self) -> int:
        """The number of layers."""
        return self.pressure.shape[0]

import jax.numpy as jnp
from jaxtyping import Array

from .air import Air
from .process import AbstractProcess


class Fallout(AbstractProcess):
    r"""Cloud becomes rain and snow, and these leave the column.

    Cloud above a threshold becomes rain, and cloud ice snow, at the rate $k\, (q - q_0)$: Kessler
    1969, Meteor. Monogr. 10 (32). Rain and snow reach the ground within a time scale, and nothing
    evaporates on the way. Water is conserved.
    """

    autoconversion_rate: float = 1e-3
    """$k$ in s-1."""
    threshold: float = 5e-4
    """$q_0$ in kg kg-1."""
    fall_time: float = 600.0
    """In s."""

    def __call__(self, t, air: Air) -> dict[str, Array]:
        state = air.state
        rain = self.autoconversion_rate * jnp.maximum(state.cloud_water - self.threshold, 0)
        snow = self.autoconversion_rate * jnp.maximum(state.cloud_ice - self.threshold, 0)
        falling_rain = jnp.maximum(state.rain_water, 0) / self.fall_time
        falling_snow = jnp.maximum(state.snow, 0) / self.fall_time
        return {
            "cloud_water": -rain,
            "cloud_ice": -snow,
            "rain_water": rain - falling_rain,
            "snow": snow - falling_snow,
            "grid_scale_precipitation": jnp.sum(air.mass * (falling_rain + falling_snow)),
        }

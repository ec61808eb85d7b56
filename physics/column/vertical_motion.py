import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .air import Air
from .thermodynamics import GRAVITY
from .time_series import TimeSeries


class Gust(eqx.Module):
    r"""Vertical motion that only convection sees: $A\, g(t) \sin[\pi \min(z / D, 1)]$.

    Stands for what a large-scale mean leaves out. `gust(t, height)` is in m s-1.
    """

    series: TimeSeries
    """$g$, dimensionless."""
    speed: float = 0.08
    """$A$ in m s-1."""
    depth: float = 14000.0
    """$D$ in m."""

    def __call__(self, t, height: Float[Array, " level_w"]) -> Float[Array, " level_w"]:
        shape = jnp.sin(jnp.pi * jnp.minimum(height / self.depth, 1.0))
        return self.speed * self.series(t, height.dtype) * shape


class VerticalMotion(eqx.Module):
    """The prescribed vertical motion of the large scales, and gusts."""

    pressure_velocity: TimeSeries | None = None
    """Of the interfaces in Pa s-1, positive downward; none if it is `None`."""
    gust: Gust | None = None

    def omega(self, t, interfaces: Float[Array, " level_w"]) -> Float[Array, " level_w"]:
        """The pressure velocity at the interfaces in Pa s-1."""
        if self.pressure_velocity is None:
            return jnp.zeros_like(interfaces)
        return self.pressure_velocity(t, interfaces.dtype)

    def vertical_velocity(self, t, air: Air) -> Float[Array, " level_w"]:
        r"""What convection sees at the interfaces, $-\omega / (\rho g)$ and gusts, in m s-1."""
        velocity = -air.pressure_velocity / (air.interface_density * GRAVITY)
        if self.gust is None:
            return velocity
        return velocity + self.gust(t, air.interface_height)

import jax.numpy as jnp
from jaxtyping import Array, Float

from .air import Air
from .process import AbstractProcess
from .time_series import TimeSeries


class Relaxation(AbstractProcess):
    r"""Takes fields towards given ones: $(\phi_\mathrm{target} - \phi) / \tau$."""

    target: TimeSeries
    """A dict of profiles by field of `ColumnState`."""
    time_scale: float | Float[Array, ""] | Float[Array, " level"]
    r"""$\tau$ in s, of all levels or of each; infinite where there is no relaxation."""

    def __call__(self, t, air: Air) -> dict[str, Array]:
        dtype = air.pressure.dtype
        rate = 1 / jnp.asarray(self.time_scale, dtype)
        return {
            name: rate * (target - getattr(air.state, name))
            for name, target in self.target(t, dtype).items()
        }

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .air import Air
from .process import AbstractProcess
from .thermodynamics import GRAVITY


class VerticalAdvection(AbstractProcess):
    r"""Upstream advection by the large-scale vertical motion.

    The flux form minus the divergence, $-\partial_p(\omega \phi) + \phi\, \partial_p \omega$,
    where the flux through an interface takes the value of the layer that the air comes from. Of
    the temperature, the potential temperature is advected. Nothing enters from outside.
    """

    fields: tuple[str, ...] = eqx.field(static=True, default=("temperature", "vapour"))
    """The fields of `ColumnState` that are advected."""

    def __call__(self, t, air: Air) -> dict[str, Array]:
        tendencies = {}
        for name in self.fields:
            if name == "temperature":
                tendencies[name] = advect(air, air.potential_temperature) * air.exner
            else:
                tendencies[name] = advect(air, getattr(air.state, name))
        return tendencies


def advect(air: Air, values: Float[Array, " level"]) -> Float[Array, " level"]:
    """The upstream tendency of something that air carries, per second."""
    flow = air.pressure_velocity[1:-1]
    jump = values[1:] - values[:-1]
    zero = jnp.zeros_like(flow[:1])
    # Air that sinks through an interface changes the layer below it; air that rises, the one above.
    below = jnp.concatenate([jnp.maximum(flow, 0) * jump, zero])
    above = jnp.concatenate([zero, jnp.minimum(flow, 0) * jump])
    return (below + above) / (air.mass * GRAVITY)

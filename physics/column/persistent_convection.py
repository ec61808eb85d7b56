from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..scheme import AbstractScheme, Quantity
from .convection import (
    MEAN_VERTICAL_VELOCITY,
    PROFILES,
    SURFACE,
    VERTICAL_VELOCITY,
    AbstractConvection,
)


class ConvectiveMemory(NamedTuple):
    """What convection remembers from step to step."""

    mean_vertical_velocity: Float[Array, " level"]
    """The running mean of the vertical velocity in m s-1."""
    remaining_lifetime: Float[Array, ""]
    """For how many more seconds the held tendencies apply; none if it is not positive."""
    held: dict[str, Array]
    """What the scheme returned when it was last called."""


class PersistentConvection(AbstractScheme):
    r"""A convection scheme with memory: convection, once triggered, lasts for its lifetime.

    The running mean of the vertical velocity is updated in every step,
    $\bar w \leftarrow [(2n - 1) \bar w + w] / 2n$, where $n$ steps last `call_interval`. The
    scheme is called if the remaining lifetime is less than half a step; otherwise what it
    returned last is held. As in Kain 2004, J. Appl. Meteorol. 43, 170, and WRF.

    Besides what the scheme returns, it returns `scheme_called`, 1 or 0.
    """

    scheme: AbstractConvection
    call_interval: float = eqx.field(static=True, default=300.0)

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return (*PROFILES, VERTICAL_VELOCITY, *SURFACE)

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return (*self.scheme.returns, Quantity("scheme_called", "1"))

    def initial_carry(self, inputs: Mapping[str, Any]) -> ConvectiveMemory:
        """No convection, and the running mean at zero."""
        temperature = inputs["air_temperature"]
        zero = jnp.zeros_like(temperature)
        read = {**inputs, MEAN_VERTICAL_VELOCITY.name: zero}
        shapes = eqx.filter_eval_shape(self.scheme.tendencies, read)
        held = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return ConvectiveMemory(zero, jnp.zeros((), temperature.dtype), held)

    def __call__(
        self, inputs: Mapping[str, Any], carry: ConvectiveMemory
    ) -> tuple[dict[str, Array], ConvectiveMemory]:
        time_step = jnp.asarray(inputs["time_step"], carry.remaining_lifetime.dtype)
        interfaces = inputs["vertical_velocity"]
        velocity = 0.5 * (interfaces[:-1] + interfaces[1:])
        samples = 2 * self._steps_between_calls(time_step)
        mean = (carry.mean_vertical_velocity * (samples - 1) + velocity) / samples
        called = carry.remaining_lifetime < 0.5 * time_step
        read = {**inputs, MEAN_VERTICAL_VELOCITY.name: mean}
        held = lax.cond(called, lambda: self.scheme.tendencies(read), lambda: dict(carry.held))
        lifetime = jnp.where(called, held["convective_lifetime"], carry.remaining_lifetime)
        applies = lifetime > 0
        applied = {name: jnp.where(applies, value, 0) for name, value in held.items()}
        memory = ConvectiveMemory(mean, lifetime - time_step, held)
        return {**applied, "scheme_called": called.astype(time_step.dtype)}, memory

    def _steps_between_calls(self, time_step: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.maximum(1, jnp.round(self.call_interval / time_step))

"""What a process of the column is: a tendency, or an adjustment at the end of a step."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .air import Air


class AbstractProcess(eqx.Module):
    """A process that works all the time: `process(t, air)` returns tendencies by field.

    The names are those of `ColumnState`; the tendencies are in the field's units per second.
    """

    @abstractmethod
    def __call__(self, t, air: Air) -> dict[str, Array]:
        """The tendencies of some of the fields of the state."""


class AbstractAdjustment(eqx.Module):
    """A process that is faster than a step, or too stiff for an explicit one.

    `adjustment(t, dt, air)` returns by how much it changes fields of the state at the time `t`,
    the end of a step of `dt` in s.
    """

    @abstractmethod
    def __call__(self, t, dt, air: Air) -> dict[str, Array]:
        """The increments of some of the fields of the state."""

    @abstractmethod
    def as_process(self, time_scale: float) -> AbstractProcess:
        """The process that this stands for; one without a rate acts within `time_scale` in s."""


class Relaxed(AbstractProcess):
    """An adjustment spread over a time scale: a tendency that takes the state towards it."""

    adjustment: AbstractAdjustment
    time_scale: float

    def __call__(self, t, air: Air) -> dict[str, Array]:
        scale = jnp.asarray(self.time_scale, air.pressure.dtype)
        increments = self.adjustment(t, scale, air)
        return {name: increment / scale for name, increment in increments.items()}

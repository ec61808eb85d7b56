import jax.numpy as jnp
from jaxtyping import Array

from .air import Air
from .process import AbstractAdjustment, AbstractProcess, Relaxed


class VapourFloor(AbstractAdjustment):
    """Fills vapour up to a smallest mixing ratio in kg kg-1. It makes that much water."""

    smallest: float = 1e-7

    def __call__(self, t, dt, air: Air) -> dict[str, Array]:
        return {"vapour": jnp.maximum(self.smallest - air.state.vapour, 0)}

    def as_process(self, time_scale: float) -> AbstractProcess:
        return Relaxed(self, time_scale)

"""Step sizes from the Courant number."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class CFL(diffrax.AbstractStepSizeController):
    r"""Chooses steps such that `rate(y) * dt` stays below the Courant number.

    Steps are rounded down to `dt_max / 2**(n / 2)`: solvers whose coefficients depend on the
    step size (exponential time differencing) then recompute them rarely. Every step is
    accepted. The last step of an interval is shortened to end on time.
    """

    rate: Callable[[PyTree], Float[Array, ""]]
    courant: float = 0.5
    dt_max: float = 0.05
    dt_min: float = 1e-6

    def _dt(self, y: PyTree) -> Float[Array, ""]:
        wanted = self.courant / self.rate(y)
        halvings = jnp.maximum(jnp.ceil(2 * jnp.log2(self.dt_max / wanted)), 0.0)
        return self.dt_max / 2 ** (halvings / 2)

    def wrap(self, direction):
        return self

    def init(self, terms, t0, t1, y0, dt0: None, args, func, error_order):
        if dt0 is not None:
            raise ValueError("CFL chooses the step size itself: leave `dt0` at None.")
        return t0 + self._dt(y0), None

    def adapt_step_size(
        self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state: Any
    ):
        dt = self._dt(y1_candidate)
        result = diffrax.RESULTS.where(
            dt >= self.dt_min, diffrax.RESULTS.successful, diffrax.RESULTS.dt_min_reached
        )
        return True, t1, t1 + dt, False, None, result

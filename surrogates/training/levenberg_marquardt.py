from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from closurax.physics.errors import ClosuraxError

from .collocation import Collocation
from .field_optimiser import AbstractFieldOptimiser, Equations

# In a step; the damping is then beyond all use.
_MOST_TRIALS = 30
_SMALLEST = 1e-30
# Of the largest scale: parameters that do nothing at the start would else go anywhere.
_SCALE_FLOOR = 1e-2


class DampingState(NamedTuple):
    """What a step of `LevenbergMarquardt` leaves to the next one."""

    damping: Float[Array, ""]
    growth: Float[Array, ""]
    """The factor by which the damping grows when the next trial is refused."""
    scales: Float[Array, " parameters"]
    """The largest squared norms that the columns of $J$ have had."""


class LevenbergMarquardt(AbstractFieldOptimiser[DampingState]):
    r"""Damped steps of Gauss and Newton for all parameters at once,

    $$\min_\delta |r + J \delta|^2 + \lambda \sum_j D_j \delta_j^2,$$

    with the largest squared norm $D_j$ that a column of $J$ has had (Moré 1978, Lect. Notes Math.
    630, 105), but at least a hundredth of the largest of them, and with the damping $\lambda$ of
    Nielsen 1999 (IMM-REP-1999-05), by how much of a predicted reduction there is. A step solves
    until a trial is a reduction, so that the loss never rises on the same points.

    The normal equations are solved by factors of Cholesky. The work of a step is that of rows x
    parameters squared, the memory that of rows x parameters: it is for some thousand parameters,
    in double precision.
    """

    damping: float = eqx.field(static=True, default=1.0)
    """$\\lambda$ at the start."""

    def __check_init__(self):
        if not self.damping > 0:
            raise ClosuraxError(f"`damping` = {self.damping} must be positive.")

    def init(self, parameters: PyTree, equations: Equations) -> DampingState:
        _with_rows(equations)
        vector, _ = ravel_pytree(parameters)
        one = jnp.ones((), vector.dtype)
        return DampingState(self.damping * one, 2 * one, jnp.zeros_like(vector))

    def step(
        self, parameters: PyTree, state: DampingState, equations: Equations
    ) -> tuple[PyTree, DampingState, Float[Array, ""]]:
        vector, unravel = ravel_pytree(parameters)
        matrix, values = _with_rows(equations).jacobian(parameters, equations.frozen)
        loss, slope, product = values @ values, values @ matrix, matrix.T @ matrix
        largest = jnp.maximum(state.scales, jnp.diagonal(product))
        scales = jnp.maximum(largest, _SCALE_FLOOR * jnp.max(largest))

        def goes_on(carry):
            *_, trials, accepted = carry
            return ~accepted & (trials < _MOST_TRIALS)

        def trial(carry):
            _, damping, growth, trials, _ = carry
            factors = jax.scipy.linalg.cho_factor(product + jnp.diag(damping * scales))
            change = -jax.scipy.linalg.cho_solve(factors, slope)
            after = equations.loss(unravel(vector + change))
            gain = (loss - after) / (change @ (damping * scales * change - slope))
            # Not a number is not larger: neither a loss, nor the factors of a singular matrix.
            accepted = gain > 0
            shrinking = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
            damping = jnp.maximum(damping * jnp.where(accepted, shrinking, growth), _SMALLEST)
            growth = jnp.where(accepted, 2.0, 2 * growth)
            return jnp.where(accepted, change, 0.0), damping, growth, trials + 1, accepted

        start = (
            jnp.zeros_like(vector), state.damping, state.growth, jnp.zeros((), jnp.int32),
            jnp.zeros((), bool),
        )  # fmt: skip
        change, damping, growth, _, accepted = jax.lax.while_loop(goes_on, trial, start)
        # Where no step helps, the damping is what it was, and does not overflow.
        damping = jnp.where(accepted, damping, state.damping)
        growth = jnp.where(accepted, growth, state.growth)
        return unravel(vector + change), DampingState(damping, growth, largest), loss

    def renewed(
        self, state: DampingState, parameters: PyTree, equations: Equations
    ) -> DampingState:
        return state


def _with_rows(equations: Equations) -> Collocation:
    if not isinstance(equations.collocation, Collocation):
        raise ClosuraxError(
            "LevenbergMarquardt takes a Collocation, whose points have rows of their own, not a "
            f"{type(equations.collocation).__name__}."
        )
    return equations.collocation

"""The damping of Levenberg and Marquardt, for whatever a step changes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.linalg
from jaxtyping import Array, Float, PyTree

# In a step; the damping is then beyond all use.
_MOST_TRIALS = 30
_SMALLEST = 1e-30
# Of the largest scale: parameters that do nothing at the start would else go anywhere.
_SCALE_FLOOR = 1e-2


class DampingState(NamedTuple):
    """What a damped step leaves to the next one."""

    damping: Float[Array, ""]
    growth: Float[Array, ""]
    """The factor by which the damping grows when the next trial is refused."""
    scales: Float[Array, " parameters"]
    """The largest squared norms that the columns of $J$ have had."""

    @classmethod
    def at_start(cls, damping: float, vector: Float[Array, " parameters"]) -> "DampingState":
        """Before the first step of `vector`."""
        one = jnp.ones((), vector.dtype)
        return cls(damping * one, 2 * one, jnp.zeros_like(vector))


def damped_step(
    product: Float[Array, "parameters parameters"],
    slope: Float[Array, " parameters"],
    loss: Float[Array, ""],
    state: DampingState,
    start: PyTree,
    attempt: Callable[[Array], tuple[PyTree, Array]],
) -> tuple[PyTree, DampingState]:
    r"""The first step that lowers a sum of squares $|r|^2$, with more and more damping,

    $$(J^T J + \lambda D) \, \delta = -J^T r,$$

    with the scales and the damping of `LevenbergMarquardt`.

    **Arguments:**

    - `product`: $J^T J$, and `slope`, $J^T r$.
    - `loss`: $|r|^2$.
    - `state`: of the step before.
    - `start`: what is there before the step, and after it if nothing lowers the loss.
    - `attempt`: what there is after a change $\delta$, and its loss.
    """
    largest = jnp.maximum(state.scales, jnp.diagonal(product))
    scales = jnp.maximum(largest, _SCALE_FLOOR * jnp.max(largest))

    def goes_on(carry):
        *_, trials, accepted = carry
        return ~accepted & (trials < _MOST_TRIALS)

    def trial(carry):
        kept, damping, growth, trials, _ = carry
        factors = jax.scipy.linalg.cho_factor(product + jnp.diag(damping * scales))
        change = -jax.scipy.linalg.cho_solve(factors, slope)
        found, after = attempt(change)
        gain = (loss - after) / (change @ (damping * scales * change - slope))
        # Not a number is not larger: neither a loss, nor the factors of a singular matrix.
        accepted = gain > 0
        shrinking = jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
        damping = jnp.maximum(damping * jnp.where(accepted, shrinking, growth), _SMALLEST)
        growth = jnp.where(accepted, 2.0, 2 * growth)
        kept = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), found, kept)
        return kept, damping, growth, trials + 1, accepted

    first = (
        start, state.damping, state.growth, jnp.zeros((), jnp.int32), jnp.zeros((), bool),
    )  # fmt: skip
    found, damping, growth, _, accepted = jax.lax.while_loop(goes_on, trial, first)
    # Where no step helps, the damping is what it was, and does not overflow.
    damping = jnp.where(accepted, damping, state.damping)
    growth = jnp.where(accepted, growth, state.growth)
    return found, DampingState(damping, growth, largest)

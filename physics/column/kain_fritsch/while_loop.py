"""A loop until a condition fails, with derivatives in both modes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 4))
def while_loop(
    is_open: Callable[[Any, Any], Bool[Array, ""]],
    body: Callable[[Any, Any], Any],
    state: Any,
    args: Any,
    bound: int,
) -> Any:
    """`lax.while_loop` of `state = body(state, args)` as long as `is_open(state, args)`.

    Reverse mode needs a known number of steps, which would cost the loop its early end. So only
    the derivatives are those of a scan of `bound` steps; they are NaN where the loop takes more.
    All arrays that have derivatives must come in by `state` and `args`, not by a closure.
    """
    return lax.while_loop(
        lambda state: is_open(state, args), lambda state: body(state, args), state
    )


@while_loop.defjvp
def _derivative(is_open, body, bound, primals, tangents):
    return jax.jvp(partial(_scan, is_open, body, bound), primals, tangents)


def _scan(is_open, body, bound: int, state: Any, args: Any) -> Any:
    # Storing every step whole would take the memory of everything that `body` computes.
    @jax.checkpoint
    def step(state, args):
        goes_on = is_open(state, args)
        return jtu.tree_map(lambda a, b: jnp.where(goes_on, a, b), body(state, args), state)

    state, _ = lax.scan(lambda state, _: (step(state, args), None), state, None, length=bound)
    # A factor, because it makes the derivatives NaN too.
    factor = jnp.where(is_open(state, args), jnp.nan, 1.0)

    def poison(leaf: Array) -> Array:
        is_differentiable = jnp.issubdtype(leaf.dtype, jnp.inexact)
        return leaf * factor.astype(leaf.dtype) if is_differentiable else leaf

    return jtu.tree_map(poison, state)

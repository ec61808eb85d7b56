from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError

from .field_losses import Operator, relative_l2


def rollout_loss(
    model: Operator,
    batch: Mapping[str, Array | np.ndarray],
    *,
    steps: int,
    pushforward: bool = False,
    remat: bool = True,
) -> Float[Array, ""]:
    """How far a free run of `model` is from a trajectory: the mean over steps of `relative_l2`.

    Each step takes what the last one returned, so that the gradient knows what an error does to
    the steps that follow. With `steps=1` it is the error of one step.

    **Arguments:**

    - `model`: maps the fields at one time, `(channel, *space)`, to those at the next.
    - `batch`: `"input"`, `(sample, channel, *space)`, and `"target"`, what follows it,
        `(sample, time, channel, *space)`, with at least `steps` times.
    - `steps`: of the run.
    - `pushforward`: the error of the last step alone, without a gradient through the steps
        before it, which only provide an input with the errors of the model (Brandstetter,
        Worrall and Welling 2022, arXiv 2202.03376, section 3.1).
    - `remat`: recompute each step for its gradient: memory then grows with `steps` by the fields
        alone, not by what is inside the model, for one more evaluation of each step.

    Raises `ClosuraxError` if `steps` is not positive, or the arrays do not fit it or each other.
    """
    start, target = jnp.asarray(batch["input"]), jnp.asarray(batch["target"])
    _check(start.shape, target.shape, steps)
    targets = jnp.moveaxis(target[:, :steps], 1, 0)

    def step(fields: Array, expected: Array) -> tuple[Array, Float[Array, ""]]:
        fields = jax.vmap(model)(fields)
        return fields, jnp.mean(jax.vmap(relative_l2)(fields, expected))

    if pushforward:
        before, _ = lax.scan(step, start, targets[:-1])
        _, error = step(lax.stop_gradient(before), targets[-1])
        return error
    # Inside a scan nothing can be merged with what is recomputed, and hindering it costs time.
    _, errors = lax.scan(jax.checkpoint(step, prevent_cse=False) if remat else step, start, targets)
    return jnp.mean(errors)


def _check(start: tuple[int, ...], target: tuple[int, ...], steps: int) -> None:
    if steps < 1:
        raise ClosuraxError(f"`steps` must be at least 1, not {steps}.")
    if len(target) < 2 or (target[0], *target[2:]) != start:
        raise ClosuraxError(
            f"`input` has shape {start} and `target` {target}; expected (sample, channel, *space) "
            "and (sample, time, channel, *space)."
        )
    if target[1] < steps:
        raise ClosuraxError(
            f"`target` has {target[1]} times, which is too few for `steps` = {steps}; cut longer "
            "windows or take fewer steps."
        )

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from closurax.physics import AbstractModel, AbstractScheme


def trajectory_loss(
    scheme: PyTree,
    batch: Mapping[str, Any],
    *,
    model: AbstractModel,
    slot: str,
    error: Callable[[PyTree, PyTree], Float[Array, ""]],
    duration: float,
    save_every: float,
    dt: float,
    wrap: Callable[[PyTree], AbstractScheme] = lambda scheme: scheme,
) -> Float[Array, ""]:
    """How far runs with a scheme are from reference runs: a loss for `fit`, a posteriori.

    The gradient goes through the simulation: what a scheme does to its own input counts, which
    no loss on single columns or fields sees.

    **Arguments:**

    - `scheme`: what is trained.
    - `batch`: with a leading axis of the windows, `state`, of the model at the start of each;
        `start`, the model time then in s; `target`, what `error` compares with; and if the scheme
        has memory, `memory` of it.
    - `model`: the simulation, whose `slot` the scheme is put into.
    - `error`: maps the states at the saves, with a leading time axis, and the `target` of a
        window to a number.
    - `duration`, `save_every`, `dt`: of each run, in s.
    - `wrap`: makes of what is trained the scheme that the model takes, such as
        `PersistentConvection`.
    """
    coupled = model.replace(**{slot: wrap(scheme)})

    def run(window: Mapping[str, Any]) -> Float[Array, ""]:
        memory = {slot: window["memory"]} if "memory" in window else None
        states, _ = coupled.trajectory(
            window["state"],
            duration,
            save_every=save_every,
            dt=dt,
            start=window["start"],
            memory=memory,
        )
        return error(states, window["target"])

    return jnp.mean(jax.vmap(run)(dict(batch)))

from typing import NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
import optax
from jaxtyping import Array, Int, PyTree


class ParameterAverage(NamedTuple):
    """The state of `parameter_average`."""

    steps: Int[Array, ""]
    average: PyTree


def parameter_average(decay: float) -> optax.GradientTransformation:
    """The last link of an optimiser, which keeps a moving average of the parameters.

    It changes no update. After `n` steps the weights of the average are those of a decay of
    `min(decay, (1 + n) / (10 + n))`, so that it does not remember the initial parameters.
    """

    def init(parameters: PyTree) -> ParameterAverage:
        return ParameterAverage(jnp.zeros((), jnp.int32), parameters)

    def update(updates, state: ParameterAverage, parameters=None):
        assert parameters is not None
        steps = state.steps.astype(jnp.result_type(float))
        keep = jnp.minimum(decay, (1 + steps) / (10 + steps))
        average = jtu.tree_map(
            lambda mean, value, change: (keep * mean + (1 - keep) * (value + change)).astype(
                mean.dtype
            ),
            state.average,
            parameters,
            updates,
        )
        return updates, ParameterAverage(state.steps + 1, average)

    return optax.GradientTransformation(init, update)

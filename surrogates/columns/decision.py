from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .column_network import ColumnPrediction

UNLIKELY = 0.1


class Decision(NamedTuple):
    """Which convection there is and up to where: as probabilities, or decided, 0 or 1.

    What is multiplied with it is an expected value in the first case and final in the second.
    """

    classes: Float[Array, "3"]
    """None, deep and shallow."""
    below_top: Float[Array, " level"]
    """How likely a level is at or below the cloud top, if there is convection."""
    top: Float[Array, ""]
    """The level of the cloud top, counted from 1, if there is convection."""
    base: Float[Array, ""]
    """The level of the cloud base, counted from 1, if there is convection."""

    @property
    def none(self) -> Float[Array, ""]:
        return self.classes[0]

    @property
    def deep(self) -> Float[Array, ""]:
        return self.classes[1]

    @property
    def shallow(self) -> Float[Array, ""]:
        return self.classes[2]

    @property
    def triggered(self) -> Float[Array, ""]:
        return self.classes[1] + self.classes[2]


def probabilities(prediction: ColumnPrediction) -> Decision:
    """The probabilities that a network gives, differentiable."""
    levels = prediction.top_logits.shape[0]
    base = jax.nn.softmax(prediction.base_logits[:levels])
    number = jnp.arange(1, levels + 1, dtype=base.dtype)
    below_top = _probability_below(jax.nn.softmax(prediction.top_logits))
    return Decision(
        classes=jax.nn.softmax(prediction.class_logits),
        below_top=below_top,
        top=jnp.sum(below_top),
        base=jnp.sum(number * base),
    )


def decide(prediction: ColumnPrediction) -> Decision:
    """The most probable class and cloud base, and the highest level that the cloud may reach.

    Levels keep the probability of being in the cloud as their weight, since cutting at the median
    top doubles the error there. Where it is below 10 % it becomes zero, and that is the top.
    """
    dtype = prediction.class_logits.dtype
    levels = prediction.top_logits.shape[0]
    below_top = _probability_below(jax.nn.softmax(prediction.top_logits))
    # The lowest layer is below every cloud top, whatever the rounding of the sum.
    below_top = below_top.at[0].set(1.0).astype(dtype)
    below_top = jnp.where(below_top >= UNLIKELY, below_top, 0.0)
    top = jnp.sum((below_top > 0).astype(dtype))
    base = (jnp.argmax(prediction.base_logits[:levels]) + 1).astype(dtype)
    return Decision(
        classes=jax.nn.one_hot(jnp.argmax(prediction.class_logits), 3, dtype=dtype),
        below_top=below_top,
        top=top,
        base=jnp.minimum(base, top),
    )


def _probability_below(top: Float[Array, " level"]) -> Float[Array, " level"]:
    return jnp.cumsum(top[::-1])[::-1]

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.datasets.normalisers import Standardiser

# What was almost constant in training must not rule a network afterwards.
_FARTHEST = 10.0


def normalised_observation(
    normaliser: Standardiser, observation: Float[Array, " observation"]
) -> Float[Array, " observation"]:
    """The normalised observation, each number at most ten standard deviations from the mean."""
    return jnp.clip(normaliser.normalise(observation), -_FARTHEST, _FARTHEST)

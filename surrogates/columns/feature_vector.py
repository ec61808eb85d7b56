from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .features import AbstractColumnFeatures


def feature_vector(
    features: AbstractColumnFeatures, inputs: Mapping[str, Any]
) -> Float[Array, " feature"]:
    """The features of a column one after another, as `DenseNetwork` sees them."""
    told = features(inputs)
    return jnp.concatenate([told.profile.reshape(-1), told.scalars])


def feature_vectors(
    features: AbstractColumnFeatures, inputs: Mapping[str, Array | np.ndarray]
) -> Float[np.ndarray, "sample feature"]:
    """The feature vectors of many columns."""
    return np.asarray(_vectors(features, dict(inputs)))


@eqx.filter_jit
def _vectors(features, inputs):
    return jax.vmap(lambda one: feature_vector(features, one))(inputs)

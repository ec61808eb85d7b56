from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.coupling import AbstractEnvelope

from .feature_vector import feature_vector, feature_vectors
from .features import AbstractColumnFeatures
from .principal_components import PrincipalComponents


class EnvelopeScore(AbstractEnvelope):
    """How far a column is from those that a scheme was trained on.

    The Mahalanobis distance of its features from the mean of the training, by their principal
    components, over the distance that one in a thousand columns of the training exceeds.
    """

    features: AbstractColumnFeatures
    components: PrincipalComponents
    limit: Float[Array, ""]
    """The distance at which the score is 1."""

    @classmethod
    def fit(
        cls,
        features: AbstractColumnFeatures,
        inputs: Mapping[str, Array | np.ndarray],
        components: int = 32,
        quantile: float = 0.999,
    ) -> "EnvelopeScore":
        """**Arguments:**

        - `features`: of the scheme, fitted.
        - `inputs`: of the training, with a leading sample axis.
        - `components`: how many principal components to tell apart.
        - `quantile`: of the distances in the training where the score is 1.

        Raises `DataError` if there are too few columns for that.
        """
        vectors = feature_vectors(features, inputs)
        fitted = PrincipalComponents.fit(vectors, components)
        distances = _distances(fitted, vectors)
        limit = np.quantile(np.asarray(distances, float), quantile)
        return cls(features, fitted, jnp.asarray(limit, distances.dtype))

    def __call__(self, inputs: Mapping[str, Any]) -> Float[Array, ""]:
        return self.components.distance(feature_vector(self.features, inputs)) / self.limit


@eqx.filter_jit
def _distances(components, vectors):
    return jax.vmap(lambda vector: components.distance(vector))(vectors)

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.column.convection import AbstractConvection

from .feature_vector import feature_vector, feature_vectors
from .features import AbstractColumnFeatures
from .linear_discriminant import LinearDiscriminant
from .output_vector import output_vectors, outputs_of


class LinearConvection(AbstractConvection):
    """Linear regression of all that convection does on the features, class by class.

    Which class a column is, none, deep or shallow, is told by a linear discriminant; in deep
    and in shallow convection everything is a linear function of the features, by ridge regression.
    """

    features: AbstractColumnFeatures
    classifier: LinearDiscriminant
    weight: Float[Array, "class output feature"]
    bias: Float[Array, "class output"]

    @classmethod
    def fit(
        cls,
        features: AbstractColumnFeatures,
        inputs: Mapping[str, Array | np.ndarray],
        targets: Mapping[str, np.ndarray],
        ridge: float = 0.03,
    ) -> "LinearConvection":
        """**Arguments:**

        - `features`: fitted.
        - `inputs`, `targets`: what a scheme read and returned, with a leading sample axis.
        - `ridge`: the penalty of squared weights, for features of unit variance.

        Raises `DataError` if there are no columns of a class.
        """
        vectors = np.asarray(feature_vectors(features, inputs), float)
        kind = np.rint(targets["convection_class"]).astype(int)
        classifier = LinearDiscriminant.fit(vectors, kind)
        outputs = output_vectors(targets)
        fits = [_ridge(vectors[kind == c], outputs[kind == c], ridge) for c in (1, 2)]
        weight, bias = (np.stack(parts) for parts in zip(*fits, strict=True))
        dtype = jnp.result_type(float)
        return cls(features, classifier, jnp.asarray(weight, dtype), jnp.asarray(bias, dtype))

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        vector = feature_vector(self.features, inputs)
        kind = self.classifier(vector)
        index = jnp.maximum(kind - 1, 0)
        outputs = self.weight[index] @ vector + self.bias[index]
        return outputs_of(outputs.astype(inputs["air_temperature"].dtype), kind)


def _ridge(vectors: np.ndarray, outputs: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    mean, output_mean = vectors.mean(axis=0), outputs.mean(axis=0)
    centred = vectors - mean
    covariance = centred.T @ centred / len(vectors) + ridge * np.eye(vectors.shape[1])
    weight = np.linalg.solve(covariance, centred.T @ (outputs - output_mean) / len(vectors)).T
    return weight, output_mean - weight @ mean

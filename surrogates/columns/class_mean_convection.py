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


class ClassMeanConvection(AbstractConvection):
    """The mean of all convection of a class: a baseline that knows the climate only.

    Which class a column is, none, deep or shallow, is told by a linear discriminant of its
    features.
    """

    features: AbstractColumnFeatures
    classifier: LinearDiscriminant
    means: Float[Array, "class output"]

    @classmethod
    def fit(
        cls,
        features: AbstractColumnFeatures,
        inputs: Mapping[str, Array | np.ndarray],
        targets: Mapping[str, np.ndarray],
    ) -> "ClassMeanConvection":
        """**Arguments:**

        - `features`: fitted.
        - `inputs`, `targets`: what a scheme read and returned, with a leading sample axis.

        Raises `DataError` if there are no columns of a class.
        """
        kind = np.rint(targets["convection_class"]).astype(int)
        classifier = LinearDiscriminant.fit(feature_vectors(features, inputs), kind)
        outputs = output_vectors(targets)
        means = np.stack([outputs[kind == index].mean(axis=0) for index in range(3)])
        return cls(features, classifier, jnp.asarray(means, jnp.result_type(float)))

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        kind = self.classifier(feature_vector(self.features, inputs))
        return outputs_of(self.means[kind].astype(inputs["air_temperature"].dtype), kind)

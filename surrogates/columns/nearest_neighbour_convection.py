from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from closurax.physics.column.convection import AbstractConvection
from closurax.physics.errors import DataError

from .feature_vector import feature_vector, feature_vectors
from .features import AbstractColumnFeatures
from .output_vector import output_vectors, outputs_of
from .principal_components import PrincipalComponents


class NearestNeighbourConvection(AbstractConvection):
    """What convection did in the most similar columns of the training.

    The class is that of most of the nearest neighbours, and all else the mean over those of
    them that are of this class. Similar are columns that are close in the leading principal
    components of the features. All columns of the training are kept.
    """

    features: AbstractColumnFeatures
    components: PrincipalComponents
    points: Float[Array, "sample component"]
    classes: Int[Array, " sample"]
    outputs: Float[Array, "sample output"]
    neighbours: int = eqx.field(static=True)

    @classmethod
    def fit(
        cls,
        features: AbstractColumnFeatures,
        inputs: Mapping[str, Array | np.ndarray],
        targets: Mapping[str, np.ndarray],
        neighbours: int = 20,
        components: int = 16,
    ) -> "NearestNeighbourConvection":
        """**Arguments:**

        - `features`: fitted.
        - `inputs`, `targets`: what a scheme read and returned, with a leading sample axis.
        - `neighbours`: how many of them have a say.
        - `components`: how many principal components the distance is measured in.

        Raises `DataError` if there are fewer columns than neighbours or components.
        """
        vectors = feature_vectors(features, inputs)
        if not 1 <= neighbours <= len(vectors):
            raise DataError(
                f"`neighbours` is {neighbours}; it must be between 1 and the {len(vectors)} "
                "columns."
            )
        fitted = PrincipalComponents.fit(vectors, components)
        dtype = jnp.result_type(float)
        points = (vectors - np.asarray(fitted.mean)) @ np.asarray(fitted.directions).T
        return cls(
            features,
            fitted,
            jnp.asarray(points, dtype),
            jnp.asarray(np.rint(targets["convection_class"]), jnp.int32),
            jnp.asarray(output_vectors(targets), dtype),
            neighbours,
        )

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        point = self.components.project(feature_vector(self.features, inputs))
        # The squared distance, without that of the point itself from the origin, as one product.
        distance = jnp.sum(self.points**2, axis=1) - 2 * self.points @ point
        _, nearest = lax.top_k(-distance, self.neighbours)
        classes = self.classes[nearest]
        votes = jnp.sum(classes[:, None] == jnp.arange(3, dtype=classes.dtype)[None], axis=0)
        kind = jnp.argmax(votes).astype(classes.dtype)
        outputs = self.outputs[nearest]
        alike = (classes == kind).astype(outputs.dtype)
        mean = alike @ outputs / jnp.sum(alike)
        return outputs_of(mean.astype(inputs["air_temperature"].dtype), kind)

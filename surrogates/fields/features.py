from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float

from closurax.physics.problems import Jet


class AbstractFeatures(eqx.Module):
    """Functions of a point in space and time, of which a field is a combination."""

    @abstractmethod
    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        """The values at a point."""

    @abstractmethod
    def jet(self, point: Float[Array, " dims"]) -> Jet:
        """The values, slopes and second derivatives at a point, the features as its fields."""

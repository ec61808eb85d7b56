from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float

from closurax.physics.problems import Jet


class AbstractField(eqx.Module):
    """One or several fields as a function of a point in space and time."""

    @abstractmethod
    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        """The values at a point."""

    @abstractmethod
    def jet(self, point: Float[Array, " dims"]) -> Jet:
        """The values, slopes and second derivatives along each axis at a point."""

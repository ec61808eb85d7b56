from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Key

from ..fields.field import AbstractField
from .collocation import AbstractCollocation


class AbstractPointSampler(eqx.Module):
    """Where the next points of a training are drawn."""

    @abstractmethod
    def __call__(
        self, collocation: AbstractCollocation, field: AbstractField, key: Key[Array, ""]
    ) -> AbstractCollocation:
        """As many other points.

        **Arguments:**

        - `collocation`: with the points so far.
        - `field`: as it is now.
        - `key`: of the draw.
        """


class UniformPoints(AbstractPointSampler):
    """Uniformly random points, whatever the field is; see `AbstractCollocation.redrawn`."""

    def __call__(
        self, collocation: AbstractCollocation, field: AbstractField, key: Key[Array, ""]
    ) -> AbstractCollocation:
        return collocation.redrawn(key)

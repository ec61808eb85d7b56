from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float


class ColumnPrediction(NamedTuple):
    """What a network says of a column, before units and constraints."""

    tendencies: Float[Array, "level tendency"]
    """In the order of `TENDENCIES`, divided by their scales."""
    class_logits: Float[Array, "3"]
    """Of none, deep and shallow convection."""
    rain: Float[Array, ""]
    """The precipitation rate of deep convection over its scale; it may be negative."""
    lifetime: Float[Array, ""]
    """The logarithm of the lifetime of deep convection, standardised."""
    base_logits: Float[Array, " level+1"]
    """Of the level of the cloud base; the last is one above the top, for no convection."""
    top_logits: Float[Array, " level"]
    """Of the level of the cloud top."""


class AbstractColumnNetwork(eqx.Module):
    """Maps the normalised features of a column to a `ColumnPrediction`."""

    @abstractmethod
    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> ColumnPrediction:
        """**Arguments:**

        - `profile`: what is known on the levels, normalised, the lowest level first.
        - `scalars`: what is known of the column as a whole, normalised.
        """

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float


class AbstractEnvelope(eqx.Module):
    """A score of how far the inputs of a scheme are from those that it was trained on."""

    @abstractmethod
    def __call__(self, inputs: Mapping[str, Any]) -> Float[Array, ""]:
        """At most about 1 for inputs like those of the training, and larger beyond them."""

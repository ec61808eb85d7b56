from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..scheme import AbstractScheme
from .wrapper import AbstractWrapper


class Scaled(AbstractWrapper):
    """A scheme whose tendencies are multiplied by a dimensionless `factor`."""

    scheme: AbstractScheme
    factor: float | Float[Array, ""]

    needs = ()

    def adjust(self, tendencies: dict[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
        return {
            name: jnp.asarray(self.factor, tendency.dtype) * tendency
            for name, tendency in tendencies.items()
        }

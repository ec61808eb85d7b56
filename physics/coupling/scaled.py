from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..scheme import AbstractScheme, Quantity


class Scaled(AbstractScheme):
    """A scheme whose tendencies are multiplied by a dimensionless `factor`."""

    scheme: AbstractScheme
    factor: float | Float[Array, ""]

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return self.scheme.reads

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return self.scheme.returns

    def initial_carry(self, inputs: Mapping[str, Any]) -> PyTree:
        return self.scheme.initial_carry(inputs)

    def __call__(self, inputs: Mapping[str, Any], carry: PyTree) -> tuple[dict[str, Array], PyTree]:
        tendencies, carry = self.scheme(inputs, carry)
        scaled = {
            name: jnp.asarray(self.factor, tendency.dtype) * tendency
            for name, tendency in tendencies.items()
        }
        return scaled, carry

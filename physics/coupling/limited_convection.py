from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from ..column.conservation import scale_column
from ..column.convection import AbstractConvection
from ..errors import ClosuraxError
from ..scheme import Quantity


class LimitedConvection(AbstractConvection):
    """A convection scheme that is weakened where it heats or cools too fast.

    All tendencies and the precipitation rate of a column are multiplied by the largest factor,
    at most 1, with which no layer's potential temperature changes faster than the
    `heating_limit` in K s-1. So what the scheme conserves stays conserved.

    Raises `ClosuraxError` at construction unless `heating_limit` is positive.
    """

    scheme: AbstractConvection
    heating_limit: float = 0.02

    def __check_init__(self):
        if not self.heating_limit > 0:
            raise ClosuraxError(
                f"LimitedConvection: `heating_limit` is {self.heating_limit}; it must be positive."
            )

    @property
    def returns(self) -> tuple[Quantity, ...]:  # type: ignore[override]
        return self.scheme.returns

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        outputs = self.scheme.tendencies(inputs)
        fastest = jnp.max(jnp.abs(outputs["potential_temperature_tendency"]))
        exceeds = fastest > self.heating_limit
        factor = jnp.where(exceeds, self.heating_limit / jnp.where(exceeds, fastest, 1), 1)
        return scale_column(outputs, factor)

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, PyTree

from ..errors import ClosuraxError
from ..scheme import AbstractScheme, Quantity


class Limited(AbstractScheme):
    """A scheme whose tendencies are clipped to `limit` in absolute value at every grid point.

    Spectral tendencies are clipped in physical space and transformed back, for two Fourier
    transforms more. `limit` is in the units of the tendency. Clipping does not keep the mean
    of a field, and what a model truncates afterwards can exceed the limit slightly.

    Raises `ClosuraxError` at construction unless `limit` is positive.
    """

    scheme: AbstractScheme
    limit: float

    def __check_init__(self):
        if not self.limit > 0:
            raise ClosuraxError(f"Limited: `limit` is {self.limit}; it must be positive.")

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
        grid = inputs["grid"]
        return {name: self._clip(value, grid) for name, value in tendencies.items()}, carry

    def _clip(self, tendency: Array, grid: Any) -> Array:
        if jnp.iscomplexobj(tendency):
            return grid.to_spectral(self._clip(grid.to_physical(tendency), grid))
        return jnp.clip(tendency, -self.limit, self.limit)

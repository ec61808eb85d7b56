from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from ..errors import ClosuraxError
from ..scheme import AbstractScheme
from .wrapper import AbstractWrapper


class Limited(AbstractWrapper):
    """A scheme whose tendencies are clipped to `limit` in absolute value at every grid point.

    Spectral tendencies are clipped in physical space and transformed back, for two Fourier
    transforms more. `limit` is in the units of the tendency. Clipping does not keep the mean
    of a field, and what a model truncates afterwards can exceed the limit slightly.

    Raises `ClosuraxError` at construction unless `limit` is positive.
    """

    scheme: AbstractScheme
    limit: float

    needs = ()

    def __check_init__(self):
        if not self.limit > 0:
            raise ClosuraxError(f"Limited: `limit` is {self.limit}; it must be positive.")

    def adjust(self, tendencies: dict[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
        grid = inputs["grid"]
        return {name: self._clip(value, grid) for name, value in tendencies.items()}

    def _clip(self, tendency: Array, grid: Any) -> Array:
        if jnp.iscomplexobj(tendency):
            return grid.to_spectral(self._clip(grid.to_physical(tendency), grid))
        return jnp.clip(tendency, -self.limit, self.limit)

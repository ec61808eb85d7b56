import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..fields.linear_field import LinearField
from .collocation import Collocation


class MeasuredCollocation(eqx.Module):
    """Points that stand for parts of the box of different sizes.

    The sum of the squared residuals is then like an integral, wherever the points are dense.
    """

    collocation: Collocation
    measure: Float[Array, " rows"]
    """What each row stands for, up to a factor."""

    def residuals(self, field: LinearField) -> Float[Array, " rows"]:
        """As those of `Collocation`, times the root of the measure."""
        return jnp.sqrt(self.measure) * self.collocation.residuals(field)

    def interior_squares(self, field: LinearField) -> Float[np.ndarray, " _"]:
        """The squares of those inside, point by point."""
        block = self.collocation.residuals_by_block(field)[0]
        return np.asarray(self.measure[: block.size] * block**2)

    def linearised(
        self, field: LinearField
    ) -> tuple[Float[Array, "rows weights"], Float[Array, " rows"]]:
        """As that of `Collocation`, times the root of the measure."""
        rows, values = self.collocation.linearised(field)
        roots = jnp.sqrt(self.measure)
        return roots[:, None] * rows, roots * values

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float


class AbstractOperator(eqx.Module):
    """A map from functions to functions, each given by its values on a grid.

    The grids have any number of points; `jax.vmap` evaluates it for a batch of functions.
    """

    in_channels: eqx.AbstractVar[int]
    out_channels: eqx.AbstractVar[int]

    @abstractmethod
    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """The fields that `fields` are mapped to, on the same grid."""

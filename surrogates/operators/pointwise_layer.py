import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .check_fields import check_sizes


class PointwiseLayer(eqx.Module):
    """An affine map between the channels, the same one at all points, with the channels first."""

    kernel: Float[Array, "out_channels in_channels"]
    bias: Float[Array, " out_channels"]

    def __init__(
        self, in_channels: int, out_channels: int, gain: float = 1.0, *, key: Key[Array, ""]
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: at least 1.
        - `gain`: the kernel is drawn uniformly with standard deviation `gain / sqrt(in_channels)`.
        """
        check_sizes(in_channels=in_channels, out_channels=out_channels)
        limit = gain * (3 / in_channels) ** 0.5
        shape = (out_channels, in_channels)
        self.kernel = jax.random.uniform(key, shape, minval=-limit, maxval=limit)
        self.bias = jnp.zeros(out_channels)

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        bias = self.bias.reshape(-1, *(1,) * (fields.ndim - 1))
        return jnp.tensordot(self.kernel, fields, axes=1) + bias

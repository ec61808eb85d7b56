import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from ..convolve import convolve


class PeriodicConvolution(eqx.Module):
    """A convolution layer on a doubly periodic field, with the channels last."""

    kernel: Float[Array, "size size in_channels out_channels"]
    bias: Float[Array, " out_channels"]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        gain: float = 1.0,
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: at least 1.
        - `kernel_size`: odd, so that the layer is centred.
        - `gain`: the kernel is drawn uniformly with standard deviation `gain / sqrt(fan_in)`;
            the square root of two keeps the variance through layers of ReLU (He et al. 2015,
            arXiv 1502.01852).
        """
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ClosuraxError(f"`kernel_size` must be odd and positive, not {kernel_size}.")
        if in_channels < 1 or out_channels < 1:
            raise ClosuraxError(
                f"A convolution needs at least one channel: {in_channels} in, {out_channels} out."
            )
        shape = (kernel_size, kernel_size, in_channels, out_channels)
        limit = gain * (3 / (kernel_size**2 * in_channels)) ** 0.5
        self.kernel = jax.random.uniform(key, shape, minval=-limit, maxval=limit)
        self.bias = jnp.zeros(out_channels)

    def __call__(
        self, field: Float[Array, "nx ny in_channels"]
    ) -> Float[Array, "nx ny out_channels"]:
        half = self.kernel.shape[0] // 2
        padded = jnp.pad(field, ((half, half), (half, half), (0, 0)), mode="wrap")
        return convolve(padded, self.kernel) + self.bias[None, None]

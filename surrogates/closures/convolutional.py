from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.datasets.normalisers import Standardiser
from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.errors import ClosuraxError

from .periodic_convolution import PeriodicConvolution

_ACTIVATIONS = {"relu": jax.nn.relu, "gelu": jax.nn.gelu, "silu": jax.nn.silu, "tanh": jnp.tanh}
_READABLE = {
    quantity.name: quantity
    for quantity in (Quantity("vorticity", "s-1"), Quantity("streamfunction", "m2 s-1"))
}


class ConvolutionalClosure(AbstractMemorylessScheme):
    """The subgrid vorticity tendency as a convolutional network of the resolved flow.

    A stack of periodic convolutions: it commutes with translations by grid points, and fits
    grids of every size. The tendency has zero mean, as the divergence of a flux must. The
    network of Guan, Chattopadhyay, Subel and Hassanzadeh (2022, J. Comput. Phys. 458, 111090,
    arXiv 2102.11400) is the one with `width=64, depth=10, kernel_size=5`.

    The network computes in the precision of its arrays, whatever that of the fields, and
    returns the tendency in the precision of the fields.
    """

    layers: tuple[PeriodicConvolution, ...]
    input_normaliser: Standardiser
    output_normaliser: Standardiser
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    kernel_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    inputs: tuple[str, ...] = eqx.field(static=True)
    returns: tuple[Quantity, ...] = eqx.field(
        static=True, init=False, default=(Quantity("vorticity_tendency", "s-2"),)
    )

    def __init__(
        self,
        width: int = 16,
        depth: int = 4,
        kernel_size: int = 5,
        *,
        activation: str = "relu",
        inputs: tuple[str, ...] = ("vorticity", "streamfunction"),
        input_normaliser: Standardiser | None = None,
        output_normaliser: Standardiser | None = None,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `width`: channels between the layers.
        - `depth`: number of convolutions; there is an activation between each two.
        - `kernel_size`: odd number of grid points.
        - `activation`: `"relu"`, `"gelu"`, `"silu"` or `"tanh"`.
        - `inputs`: which fields the network sees, of `"vorticity"` and `"streamfunction"`.
        - `input_normaliser`: with one channel for each of `inputs`; without it the fields
            enter as they are.
        - `output_normaliser`: with one channel, for the tendency.
        """
        if depth < 1:
            raise ClosuraxError(f"`depth` must be at least 1, not {depth}.")
        if activation not in _ACTIVATIONS:
            raise ClosuraxError(f"`activation` is {activation!r}; give one of {[*_ACTIVATIONS]}.")
        if not inputs or len(set(inputs)) < len(inputs) or not set(inputs) <= set(_READABLE):
            raise ClosuraxError(
                f"`inputs` is {inputs}; give some of {[*_READABLE]}, each at most once."
            )
        channels = (len(inputs), *(depth - 1) * (width,), 1)
        gains = (*(depth - 1) * (2**0.5,), 1.0)
        self.layers = tuple(
            PeriodicConvolution(channels[i], channels[i + 1], kernel_size, gains[i], key=layer_key)
            for i, layer_key in enumerate(jax.random.split(key, depth))
        )
        self.input_normaliser = _checked(input_normaliser, len(inputs), "input_normaliser")
        self.output_normaliser = _checked(output_normaliser, 1, "output_normaliser")
        self.width, self.depth, self.kernel_size = width, depth, kernel_size
        self.activation, self.inputs = activation, tuple(inputs)

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return tuple(_READABLE[name] for name in self.inputs)

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Float[Array, "nx ny"]]:
        fields = jnp.stack([inputs[name] for name in self.inputs])
        activate = _ACTIVATIONS[self.activation]
        normalised = self.input_normaliser.normalise(fields.astype(self.layers[0].kernel.dtype))
        hidden = jnp.moveaxis(normalised, 0, -1)
        for layer in self.layers[:-1]:
            hidden = activate(layer(hidden))
        normalised_tendency = jnp.moveaxis(self.layers[-1](hidden), -1, 0)
        tendency = self.output_normaliser.denormalise(normalised_tendency)[0].astype(fields.dtype)
        return {"vorticity_tendency": tendency - jnp.mean(tendency)}


def _checked(normaliser: Standardiser | None, channels: int, name: str) -> Standardiser:
    if normaliser is None:
        return Standardiser(jnp.zeros(channels), jnp.ones(channels))
    if normaliser.mean.shape != (channels,):
        raise ClosuraxError(
            f"`{name}` is for {normaliser.mean.shape} channels, but the network has {channels}."
        )
    return normaliser

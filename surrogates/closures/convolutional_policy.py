import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError

from .periodic_convolution import PeriodicConvolution


class ConvolutionalPolicy(eqx.Module):
    """Maps what all agents of a lattice see to their actions in [-1, 1].

    A stack of periodic convolutions with tanh after each; with `kernel_size=1` it is one and the
    same network at every agent. The last layer starts near zero, and so do the actions.
    """

    layers: tuple[PeriodicConvolution, ...]
    normaliser: Standardiser
    inputs: int = eqx.field(static=True)
    outputs: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    kernel_size: int = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 32,
        depth: int = 3,
        kernel_size: int = 3,
        *,
        normaliser: Standardiser | None = None,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `inputs`: how many numbers each agent sees.
        - `outputs`: how many it chooses.
        - `width`: channels between the layers.
        - `depth`: number of convolutions.
        - `kernel_size`: odd number of agents.
        - `normaliser`: of the inputs, one channel for each; without it they enter as they are.

        Raises `ClosuraxError` for sizes that do not fit.
        """
        if depth < 1:
            raise ClosuraxError(f"`depth` must be at least 1, not {depth}.")
        if normaliser is None:
            normaliser = Standardiser(jnp.zeros(inputs), jnp.ones(inputs))
        elif normaliser.mean.shape != (inputs,):
            raise ClosuraxError(
                f"`normaliser` is for {normaliser.mean.shape} channels, but there are {inputs} "
                "`inputs`."
            )
        channels = (inputs, *(depth - 1) * (width,), outputs)
        gains = (*(depth - 1) * (1.0,), 0.01)
        self.layers = tuple(
            PeriodicConvolution(channels[i], channels[i + 1], kernel_size, gains[i], key=layer_key)
            for i, layer_key in enumerate(jax.random.split(key, depth))
        )
        self.normaliser = normaliser
        self.inputs, self.outputs = inputs, outputs
        self.width, self.depth, self.kernel_size = width, depth, kernel_size

    def __call__(
        self, observations: Float[Array, "agents_x agents_y observation"]
    ) -> Float[Array, "agents_x agents_y action"]:
        channels = self.normaliser.normalise(jnp.moveaxis(observations, -1, 0))
        hidden = jnp.moveaxis(channels, 0, -1)
        for layer in self.layers:
            hidden = jnp.tanh(layer(hidden))
        return hidden

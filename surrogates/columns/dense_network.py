from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.column.convection import TENDENCIES
from closurax.physics.errors import ClosuraxError

from .column_network import AbstractColumnNetwork, ColumnPrediction

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}


class DenseNetwork(AbstractColumnNetwork):
    """The whole column as one vector through a residual multilayer perceptron.

    Nothing but products of large matrices, one for each layer, which makes it the fastest
    network on a CPU for its number of parameters.
    """

    entry: eqx.nn.Linear
    layers: tuple[eqx.nn.Linear, ...]
    exit: eqx.nn.Linear
    levels: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        levels: int,
        channels: int,
        scalars: int,
        width: int = 256,
        depth: int = 3,
        activation: str = "silu",
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `levels`, `channels`, `scalars`: of the column.
        - `width`: hidden variables of a layer.
        - `depth`: number of hidden layers; all but the first have residual connections.
        - `activation`: `"relu"`, `"gelu"` or `"silu"`.
        """
        if depth < 1:
            raise ClosuraxError(f"`depth` must be at least 1, not {depth}.")
        if activation not in _ACTIVATIONS:
            raise ClosuraxError(f"`activation` is {activation!r}; give one of {[*_ACTIVATIONS]}.")
        entry_key, exit_key, *keys = jax.random.split(key, depth + 1)
        outputs = levels * (len(TENDENCIES) + 2) + 6
        self.entry = eqx.nn.Linear(levels * channels + scalars, width, key=entry_key)
        self.layers = tuple(eqx.nn.Linear(width, width, key=k) for k in keys)
        self.exit = eqx.nn.Linear(width, outputs, key=exit_key)
        self.levels, self.channels, self.scalars = levels, channels, scalars
        self.width, self.depth, self.activation = width, depth, activation

    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> ColumnPrediction:
        """Raises `ClosuraxError` if the column has another number of levels."""
        if profile.shape[0] != self.levels:
            raise ClosuraxError(
                f"DenseNetwork is for {self.levels} levels, but the column has "
                f"{profile.shape[0]}; interpolate it, or take a network over levels."
            )
        activate = _ACTIVATIONS[self.activation]
        hidden = activate(self.entry(jnp.concatenate([profile.reshape(-1), scalars])))
        for layer in self.layers:
            hidden = hidden + activate(layer(hidden))
        outputs = self.exit(hidden)
        ends = [3, 4, 5, 6 + self.levels, 6 + 2 * self.levels]
        class_logits, rain, lifetime, base, top, tendencies = jnp.split(outputs, ends)
        return ColumnPrediction(
            tendencies=tendencies.reshape(self.levels, -1),
            class_logits=class_logits,
            rain=rain[0],
            lifetime=lifetime[0],
            base_logits=base,
            top_logits=top,
        )

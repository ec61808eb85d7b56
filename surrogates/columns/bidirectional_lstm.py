import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from .trunk import AbstractTrunk, on_every_level


class BiLSTM(AbstractTrunk):
    """A stack of bidirectional long short-term memories over the levels.

    Each layer reads the column upwards and downwards (Schuster and Paliwal 1997, IEEE Trans.
    Signal Process. 45, 2673) with a cell of Hochreiter and Schmidhuber (1997, Neural Comput. 9,
    1735) for each direction, and passes on both hidden states side by side.
    """

    layers: tuple["_Bidirectional", ...]
    channels: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    hidden: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __init__(
        self, channels: int, scalars: int, hidden: int = 64, depth: int = 2, *, key: Key[Array, ""]
    ):
        """**Arguments:**

        - `channels`, `scalars`: of the column.
        - `hidden`: hidden variables of a direction; the width is twice that.
        - `depth`: number of layers.
        """
        if depth < 1:
            raise ClosuraxError(f"`depth` must be at least 1, not {depth}.")
        sizes = (channels + scalars, *(depth - 1) * (2 * hidden,))
        self.layers = tuple(
            _Bidirectional(size, hidden, key=layer_key)
            for size, layer_key in zip(sizes, jax.random.split(key, depth), strict=True)
        )
        self.channels, self.scalars = channels, scalars
        self.hidden, self.width, self.depth = hidden, 2 * hidden, depth

    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> Float[Array, "level width"]:
        state = on_every_level(profile, scalars)
        for layer in self.layers:
            state = layer(state)
        return state


class _Bidirectional(eqx.Module):
    up: eqx.nn.LSTMCell
    down: eqx.nn.LSTMCell

    def __init__(self, size: int, hidden: int, *, key: Key[Array, ""]):
        up_key, down_key = jax.random.split(key)
        self.up = eqx.nn.LSTMCell(size, hidden, key=up_key)
        self.down = eqx.nn.LSTMCell(size, hidden, key=down_key)

    def __call__(self, state: Float[Array, "level size"]) -> Float[Array, "level both"]:
        # What depends on the input alone is one product for all levels. Both directions are
        # in one loop, which halves the number of its small steps.
        gates = _input_gates(self.up, state), _input_gates(self.down, state[::-1])
        zero = jnp.zeros(self.up.hidden_size, state.dtype)

        def step(carry, gates):
            up = _update(self.up, carry[0], gates[0])
            down = _update(self.down, carry[1], gates[1])
            return (up, down), (up[0], down[0])

        _, (up, down) = lax.scan(step, ((zero, zero), (zero, zero)), gates)
        return jnp.concatenate([up, down[::-1]], axis=1)


def _input_gates(cell: eqx.nn.LSTMCell, state: Float[Array, "level size"]) -> Array:
    return state @ cell.weight_ih.T + jnp.asarray(cell.bias)[None]


def _update(
    cell: eqx.nn.LSTMCell,
    state: tuple[Float[Array, " hidden"], Float[Array, " hidden"]],
    gates: Float[Array, " gate"],
) -> tuple[Float[Array, " hidden"], Float[Array, " hidden"]]:
    hidden, memory = state
    admit, keep, candidate, release = jnp.split(gates + cell.weight_hh @ hidden, 4)
    memory = jax.nn.sigmoid(keep) * memory + jax.nn.sigmoid(admit) * jnp.tanh(candidate)
    return jax.nn.sigmoid(release) * jnp.tanh(memory), memory

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from .trunk import AbstractTrunk, on_every_level


class LevelMixing(AbstractTrunk):
    """Dense layers across the levels in turn with dense layers across the hidden variables.

    The MLP-Mixer of Tolstikhin et al. (2021, arXiv 2105.01601) with levels for patches: each
    level sees all others from the first block on, at the price of a fixed number of levels.
    """

    entry: eqx.nn.Linear
    blocks: tuple["_Block", ...]
    levels: int = eqx.field(static=True)
    channels: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __init__(
        self,
        levels: int,
        channels: int,
        scalars: int,
        width: int = 64,
        depth: int = 4,
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `levels`, `channels`, `scalars`: of the column.
        - `width`: hidden variables on a level.
        - `depth`: number of blocks.
        """
        if depth < 1:
            raise ClosuraxError(f"`depth` must be at least 1, not {depth}.")
        entry_key, *keys = jax.random.split(key, depth + 1)
        self.entry = eqx.nn.Linear(channels + scalars, width, key=entry_key)
        self.blocks = tuple(_Block(levels, width, key=k) for k in keys)
        self.levels, self.channels, self.scalars = levels, channels, scalars
        self.width, self.depth = width, depth

    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> Float[Array, "level width"]:
        """Raises `ClosuraxError` if the column has another number of levels."""
        if profile.shape[0] != self.levels:
            raise ClosuraxError(
                f"LevelMixing is for {self.levels} levels, but the column has {profile.shape[0]}; "
                "interpolate it, or take a trunk that does not depend on the number of levels."
            )
        state = jax.vmap(self.entry)(on_every_level(profile, scalars))
        for block in self.blocks:
            state = block(state)
        return state


class _Block(eqx.Module):
    level_norm: eqx.nn.LayerNorm
    levels: "_Perceptron"
    variable_norm: eqx.nn.LayerNorm
    variables: "_Perceptron"

    def __init__(self, levels: int, width: int, *, key: Key[Array, ""]):
        level_key, variable_key = jax.random.split(key)
        self.level_norm = eqx.nn.LayerNorm(width)
        self.levels = _Perceptron(levels, key=level_key)
        self.variable_norm = eqx.nn.LayerNorm(width)
        self.variables = _Perceptron(width, key=variable_key)

    def __call__(self, state: Float[Array, "level width"]) -> Float[Array, "level width"]:
        state = state + jax.vmap(self.levels, 1, 1)(jax.vmap(self.level_norm)(state))
        return state + jax.vmap(self.variables)(jax.vmap(self.variable_norm)(state))


class _Perceptron(eqx.Module):
    first: eqx.nn.Linear
    second: eqx.nn.Linear

    def __init__(self, size: int, *, key: Key[Array, ""]):
        first_key, second_key = jax.random.split(key)
        self.first = eqx.nn.Linear(size, 2 * size, key=first_key)
        self.second = eqx.nn.Linear(2 * size, size, key=second_key)

    def __call__(self, vector: Float[Array, " size"]) -> Float[Array, " size"]:
        return self.second(jax.nn.gelu(self.first(vector)))

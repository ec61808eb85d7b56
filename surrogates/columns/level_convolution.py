import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from .trunk import AbstractTrunk, on_every_level


class LevelConvolution(AbstractTrunk):
    """Residual convolutions along the levels, with zeros beyond the ground and the top.

    Dilations that grow from block to block let every level see the whole column after a few
    blocks (Yu and Koltun 2016, arXiv 1511.07122).
    """

    entry: eqx.nn.Linear
    blocks: tuple["_Block", ...]
    channels: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    kernel_size: int = eqx.field(static=True)
    dilations: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        scalars: int,
        width: int = 64,
        kernel_size: int = 3,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16),
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `channels`, `scalars`: of the column.
        - `width`: hidden variables on a level.
        - `kernel_size`: odd number of levels that a convolution sees.
        - `dilations`: the distance of these levels, for each block.
        """
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ClosuraxError(f"`kernel_size` must be odd and positive, not {kernel_size}.")
        if not dilations or min(dilations) < 1:
            raise ClosuraxError(f"`dilations` must be positive numbers, not {dilations}.")
        entry_key, *keys = jax.random.split(key, len(dilations) + 1)
        self.entry = eqx.nn.Linear(channels + scalars, width, key=entry_key)
        self.blocks = tuple(
            _Block(width, kernel_size, dilation, key=k)
            for dilation, k in zip(dilations, keys, strict=True)
        )
        self.channels, self.scalars, self.width = channels, scalars, width
        self.kernel_size, self.dilations = kernel_size, tuple(dilations)

    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> Float[Array, "level width"]:
        state = jax.vmap(self.entry)(on_every_level(profile, scalars))
        for block in self.blocks:
            state = block(state)
        return state


class _Block(eqx.Module):
    norm: eqx.nn.LayerNorm
    convolution: eqx.nn.Linear
    exit: eqx.nn.Linear
    kernel_size: int = eqx.field(static=True)
    dilation: int = eqx.field(static=True)

    def __init__(self, width: int, kernel_size: int, dilation: int, *, key: Key[Array, ""]):
        convolution_key, exit_key = jax.random.split(key)
        self.norm = eqx.nn.LayerNorm(width)
        self.convolution = eqx.nn.Linear(kernel_size * width, width, key=convolution_key)
        self.exit = eqx.nn.Linear(width, width, key=exit_key)
        self.kernel_size, self.dilation = kernel_size, dilation

    def __call__(self, state: Float[Array, "level width"]) -> Float[Array, "level width"]:
        # The neighbours side by side make one large product of the convolutions of a batch.
        levels = state.shape[0]
        half = self.kernel_size // 2 * self.dilation
        padded = jnp.pad(jax.vmap(self.norm)(state), ((half, half), (0, 0)))
        neighbours = [
            padded[tap * self.dilation : tap * self.dilation + levels]
            for tap in range(self.kernel_size)
        ]
        hidden = jax.vmap(self.convolution)(jnp.concatenate(neighbours, axis=1))
        return state + jax.vmap(self.exit)(jax.nn.gelu(hidden))

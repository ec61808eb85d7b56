import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float, Key

from closurax.physics.errors import ClosuraxError

from .trunk import AbstractTrunk, on_every_level


class DiagonalStateSpace(AbstractTrunk):
    r"""Linear diagonal state space models over the levels, with gated mixing between them.

    S4D of Gu, Gupta, Goel and Re (2022, arXiv 2206.11893) with the initialisation S4D-Lin, in
    both directions. A hidden variable $u$ passes through

    $$x_k = e^{\Delta A} x_{k-1} + A^{-1} (e^{\Delta A} - 1) u_k, \qquad
    y_k = 2\, \mathrm{Re}\, C x_k + D u_k,$$

    which on a few dozen levels is fastest as a product with the Toeplitz matrix of its impulse
    response.
    """

    entry: eqx.nn.Linear
    blocks: tuple["_Block", ...]
    channels: int = eqx.field(static=True)
    scalars: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    states: int = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        scalars: int,
        width: int = 64,
        depth: int = 4,
        states: int = 16,
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `channels`, `scalars`: of the column.
        - `width`: hidden variables on a level.
        - `depth`: number of blocks.
        - `states`: complex states of a hidden variable and direction.
        """
        if depth < 1 or states < 1:
            raise ClosuraxError(f"`depth` and `states` must be positive, not {depth} and {states}.")
        entry_key, *keys = jax.random.split(key, depth + 1)
        self.entry = eqx.nn.Linear(channels + scalars, width, key=entry_key)
        self.blocks = tuple(_Block(width, states, key=k) for k in keys)
        self.channels, self.scalars, self.width = channels, scalars, width
        self.depth, self.states = depth, states

    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> Float[Array, "level width"]:
        state = jax.vmap(self.entry)(on_every_level(profile, scalars))
        for block in self.blocks:
            state = block(state)
        return state


class BidirectionalStateSpace(eqx.Module):
    """The state space models of all hidden variables of a level, upwards and downwards."""

    log_step: Float[Array, " width"]
    log_decay: Float[Array, "width states"]
    frequency: Float[Array, "width states"]
    coefficient: Float[Array, "direction width states part"]
    skip: Float[Array, " width"]

    def __init__(self, width: int, states: int, *, key: Key[Array, ""]):
        """**Arguments:**

        - `width`: number of hidden variables.
        - `states`: complex states of each in a direction.
        """
        step_key, coefficient_key = jax.random.split(key)
        # Memories from a level or two up to the whole of a column of some 40 levels.
        self.log_step = jax.random.uniform(
            step_key, (width,), minval=float(np.log(0.02)), maxval=float(np.log(0.5))
        )
        self.log_decay = jnp.full((width, states), float(np.log(0.5)))
        self.frequency = jnp.broadcast_to(
            jnp.asarray(np.pi * np.arange(states), self.log_decay.dtype), (width, states)
        )
        self.coefficient = jax.random.normal(coefficient_key, (2, width, states, 2)) * 0.5**0.5
        self.skip = jnp.ones(width)

    def discretised(
        self,
    ) -> tuple[Complex[Array, "width states"], Complex[Array, "direction width states"]]:
        r"""The factor $e^{\Delta A}$ of a level, and $C A^{-1} (e^{\Delta A} - 1)$."""
        factor = jnp.exp(self._exponent)
        readout = lax.complex(self.coefficient[..., 0], self.coefficient[..., 1])
        return factor, readout * ((factor - 1) / self._rate)[None]

    def impulse_response(self, levels: int) -> Float[Array, "direction width level"]:
        """What a unit input on a level gives there and on the next levels of each direction."""
        exponent = self._exponent
        distance = jnp.arange(levels).astype(exponent.dtype)
        powers = jnp.exp(exponent[..., None] * distance[None, None])
        _, readout = self.discretised()
        return 2 * jnp.einsum("dwn,wnl->dwl", readout, powers).real

    @property
    def _rate(self) -> Complex[Array, "width states"]:
        return lax.complex(-jnp.exp(self.log_decay), self.frequency)

    @property
    def _exponent(self) -> Complex[Array, "width states"]:
        rate = self._rate
        return jnp.exp(self.log_step).astype(rate.dtype)[:, None] * rate

    def matrix(self, levels: int) -> Float[Array, "width level level"]:
        """What each level receives (second last axis) from each level (last axis)."""
        upwards, downwards = self.impulse_response(levels)
        same = upwards[:, :1] + downwards[:, :1] + self.skip[:, None]
        # Row i of a Toeplitz matrix is row 0 shifted by i: cut one period, of two levels too
        # many, into rows that are one shorter than the period. No gather, so no scatter in the
        # gradient.
        period = jnp.concatenate(
            [same, downwards[:, 1:], jnp.zeros_like(same), upwards[:, :0:-1]], axis=1
        )
        flat = jnp.tile(period, (1, levels))[:, : levels * (2 * levels - 1)]
        return flat.reshape(-1, levels, 2 * levels - 1)[:, :, :levels]

    def __call__(self, state: Float[Array, "level width"]) -> Float[Array, "level width"]:
        return jnp.einsum("wij,jw->iw", self.matrix(state.shape[0]), state)


class _Block(eqx.Module):
    norm: eqx.nn.LayerNorm
    space: BidirectionalStateSpace
    exit: eqx.nn.Linear

    def __init__(self, width: int, states: int, *, key: Key[Array, ""]):
        space_key, exit_key = jax.random.split(key)
        self.norm = eqx.nn.LayerNorm(width)
        self.space = BidirectionalStateSpace(width, states, key=space_key)
        self.exit = eqx.nn.Linear(width, 2 * width, key=exit_key)

    def __call__(self, state: Float[Array, "level width"]) -> Float[Array, "level width"]:
        hidden = jax.nn.gelu(self.space(jax.vmap(self.norm)(state)))
        return state + jax.nn.glu(jax.vmap(self.exit)(hidden), axis=-1)

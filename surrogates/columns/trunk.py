from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractTrunk(eqx.Module):
    """Maps a column to hidden variables on its levels, the lowest level first."""

    width: eqx.AbstractVar[int]
    """The number of hidden variables on each level that it returns."""

    @abstractmethod
    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> Float[Array, "level width"]:
        """**Arguments:**

        - `profile`: what is known on the levels, normalised.
        - `scalars`: what is known of the column as a whole, normalised.
        """


def on_every_level(
    profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
) -> Float[Array, "level channel+scalar"]:
    """The profile, and the scalars repeated on each of its levels."""
    repeated = jnp.broadcast_to(scalars[None], (profile.shape[0], scalars.shape[0]))
    return jnp.concatenate([profile, repeated], axis=1)

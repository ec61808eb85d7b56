import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.column.convection import TENDENCIES

from .column_network import AbstractColumnNetwork, ColumnPrediction
from .trunk import AbstractTrunk

_COLUMN_OUTPUTS = 6  # three classes, rain, lifetime, and the base of no convection


class LevelwiseNetwork(AbstractColumnNetwork):
    """A trunk over the levels; the same linear layer on each level, and one of all levels.

    Tendencies, and where base and top of the cloud are, come from the hidden variables of their
    level. What belongs to the whole column comes from the mean, the maximum and a mean weighted
    by attention of the hidden variables of all levels. So the number of levels is free if that
    of the trunk is.
    """

    trunk: AbstractTrunk
    level_head: eqx.nn.Linear
    attention: eqx.nn.Linear
    pooled: eqx.nn.Linear
    column_head: eqx.nn.Linear

    def __init__(self, trunk: AbstractTrunk, *, key: Key[Array, ""]):
        """**Arguments:**

        - `trunk`: from the features of a column to hidden variables on its levels.
        """
        keys = jax.random.split(key, 4)
        width = trunk.width
        self.trunk = trunk
        self.level_head = eqx.nn.Linear(width, len(TENDENCIES) + 2, key=keys[0])
        self.attention = eqx.nn.Linear(width, 1, key=keys[1])
        self.pooled = eqx.nn.Linear(3 * width, width, key=keys[2])
        self.column_head = eqx.nn.Linear(width, _COLUMN_OUTPUTS, key=keys[3])

    def __call__(
        self, profile: Float[Array, "level channel"], scalars: Float[Array, " scalar"]
    ) -> ColumnPrediction:
        hidden = self.trunk(profile, scalars)
        on_levels = jax.vmap(self.level_head)(hidden)
        weight = jax.nn.softmax(jax.vmap(self.attention)(hidden), axis=0)
        pools = (
            jnp.mean(hidden, axis=0),
            jnp.max(hidden, axis=0),
            jnp.sum(weight * hidden, axis=0),
        )
        pooled = jax.nn.silu(self.pooled(jnp.concatenate(pools)))
        of_column = self.column_head(pooled)
        return ColumnPrediction(
            tendencies=on_levels[:, :-2],
            class_logits=of_column[:3],
            rain=of_column[3],
            lifetime=of_column[4],
            base_logits=jnp.concatenate([on_levels[:, -2], of_column[5:]]),
            top_logits=on_levels[:, -1],
        )

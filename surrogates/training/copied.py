import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import PyTree


def copied(tree: PyTree) -> PyTree:
    """The same values in new device arrays, all strongly typed, as a checkpoint returns them."""

    def copy(leaf):
        if not eqx.is_array(leaf):
            return leaf
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jr.wrap_key_data(copy(jr.key_data(leaf)), impl=jr.key_impl(leaf))
        return jnp.array(np.array(leaf))

    return jtu.tree_map(copy, tree)

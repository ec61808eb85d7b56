import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import PyTree


def copied(tree: PyTree) -> PyTree:
    """The same values in new device arrays, all strongly typed, as a checkpoint returns them."""
    return jtu.tree_map(lambda x: jnp.array(np.array(x)) if eqx.is_array(x) else x, tree)

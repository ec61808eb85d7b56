import equinox as eqx
import jax
from jaxtyping import PyTree

from closurax.surrogates import trainable_arrays


def parameter_count(model: PyTree) -> int:
    """The number of parameters that training changes: not the statistics of normalisers."""
    trained = eqx.filter(model, trainable_arrays(model))
    return sum(leaf.size for leaf in jax.tree_util.tree_leaves(trained))

import equinox as eqx
import jax.tree_util as jtu
from jaxtyping import PyTree

from closurax.datasets.normalisers import Standardiser


def trainable_arrays(model: PyTree) -> PyTree:
    """True for the floating-point arrays of `model`, but for the statistics of normalisers.

    For `equinox.partition`. Gradients of statistics are zero, but weight decay would still
    shrink them.
    """
    return jtu.tree_map(
        lambda node: (
            jtu.tree_map(lambda _: False, node)
            if isinstance(node, Standardiser)
            else eqx.is_inexact_array(node)
        ),
        model,
        is_leaf=lambda node: isinstance(node, Standardiser),
    )

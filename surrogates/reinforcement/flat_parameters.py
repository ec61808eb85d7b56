from collections.abc import Callable
from typing import Any

import equinox as eqx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ..training.trainable import trainable_arrays


def flat_parameters(module: PyTree) -> tuple[Float[Array, " parameter"], Callable[[Array], Any]]:
    """All trainable numbers of a module as one vector, and what makes the module of a vector.

    An optimiser works on one vector in a fraction of the operations that it needs for many small
    arrays, and compiles in a fraction of the time.
    """
    parameters, frozen = eqx.partition(module, trainable_arrays(module))
    vector, restored = ravel_pytree(parameters)
    return vector, lambda vector: eqx.combine(restored(vector), frozen)

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

_CHUNK = 512


def at_points(
    function: Callable[..., PyTree], points: PyTree[Array], chunk: int = _CHUNK
) -> PyTree[Array]:
    """A function of one point at many, with a leading axis of them.

    All chunks have the same number of points, which `jax.lax.map` with a `batch_size` does not
    see to: what is mapped would be compiled once more for the last of them.

    **Arguments:**

    - `points`: an array `(points, dims)`, or a pytree of arrays with such an axis.
    - `chunk`: of points that are taken at once, at most. That bounds the memory.
    """
    count = len(jax.tree.leaves(points)[0])
    chunks = max(-(-count // chunk), 1)
    size = -(-count // chunks)
    missing = size * chunks - count

    def padded(array: Array) -> Array:
        return jnp.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)], mode="edge")

    values = jax.lax.map(function, jax.tree.map(padded, points), batch_size=size)
    return jax.tree.map(lambda array: array[:count], values)


compiled_at_points = eqx.filter_jit(at_points)
"""The same, compiled, for a function that is a pytree: a field, features, or a method of those."""

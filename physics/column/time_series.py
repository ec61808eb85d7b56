import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..errors import DataError


class TimeSeries(eqx.Module):
    """Values at given times, linear in between and constant before and after.

    `series(t, dtype)` returns the values at the time `t` in s.
    """

    time: Float[Array, " time"]
    values: PyTree[Float[Array, "time ..."]]

    def __init__(self, time: Float[np.ndarray | Array, " time"], values: PyTree):
        """**Arguments:**

        - `time`: increasing, in s.
        - `values`: a pytree of arrays with a leading time axis.

        Raises `DataError` unless the times increase and every array has as many of them.
        """
        times = np.asarray(time)
        if not times.size or not (np.diff(times) > 0).all():
            raise DataError("The times of a series must increase strictly, and there must be one.")
        for path, leaf in jtu.tree_leaves_with_path(values):
            if np.shape(leaf)[:1] != times.shape:
                raise DataError(
                    f"A series {jtu.keystr(path)} has shape {np.shape(leaf)}, expected "
                    f"{times.size} times first."
                )
        self.time = jnp.asarray(times, float)
        self.values = jtu.tree_map(lambda leaf: jnp.asarray(leaf, float), values)

    def __call__(self, t, dtype) -> PyTree[Float[Array, "..."]]:
        last = self.time.shape[0] - 1
        if last == 0:
            return jtu.tree_map(lambda leaf: leaf[0].astype(dtype), self.values)
        t = jnp.asarray(t, self.time.dtype)
        upper = jnp.clip(jnp.searchsorted(self.time, t, side="right"), 1, last)
        start, end = self.time[upper - 1], self.time[upper]
        weight = jnp.clip((t - start) / (end - start), 0, 1)

        def interpolate(leaf):
            before, after = leaf[upper - 1], leaf[upper]
            return (before + weight * (after - before)).astype(dtype)

        return jtu.tree_map(interpolate, self.values)


def constant(values: PyTree) -> TimeSeries:
    """A series of values that do not change."""
    return TimeSeries(np.zeros(1), jtu.tree_map(lambda leaf: jnp.asarray(leaf)[None], values))

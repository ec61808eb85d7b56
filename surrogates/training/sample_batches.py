"""Batches of samples from memory, or read from files while the device computes."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.sharding import Sharding
from jaxtyping import Array, Int, PyTree

from ..named_arrays import array_name
from .training_data import is_lazy, read_samples

Item = TypeVar("Item")
Result = TypeVar("Result")
# Batches read at most before they are asked for; more than one, as reading is uneven.
_AHEAD = 3


def held_in_memory(data: PyTree, sharding: Sharding | None = None) -> PyTree:
    """`data` with its arrays on the device; what is read when it is indexed stays as it is."""
    return jtu.tree_map(lambda leaf: leaf if is_lazy(leaf) else _placed(leaf, sharding), data)


def sample_batches(
    data: PyTree,
    rows: Iterable[Int[np.ndarray, "..."]],
    which: str,
    sharding: Sharding | None = None,
) -> Generator[PyTree, None, None]:
    """The samples of each row of indices, one row after the other, as arrays on the device.

    What `data` holds in memory is taken from there. The rest is read in one thread, the batches
    that come next while the caller works; the thread ends with the generator: close it.

    **Arguments:**

    - `data`: as `held_in_memory` returns it.
    - `rows`: the indices of the samples of each batch.
    - `which`: how errors call the data.
    - `sharding`: of what is read; by default it is put on jax's first device.

    Raises `DataError` if samples cannot be read.
    """
    held, lazy = eqx.partition(data, lambda leaf: not is_lazy(leaf))

    def read(indices: Int[np.ndarray, " batch"]) -> PyTree:
        return jtu.tree_map_with_path(
            lambda path, leaf: read_samples(leaf, indices, f"{array_name(path)!r} in `{which}`"),
            lazy,
        )

    if not jtu.tree_leaves(lazy):
        for indices in rows:
            yield _taken(held, indices)
        return
    with contextlib.closing(_computed_ahead(read, rows)) as batches:
        for indices, batch in batches:
            # Settings of jax, such as its precision, are those of the caller's thread.
            placed = jtu.tree_map(lambda array: _placed(array, sharding), batch)
            yield eqx.combine(_taken(held, indices), placed)


def _placed(array: Any, sharding: Sharding | None) -> Array:
    array = jnp.asarray(array)
    return array if sharding is None else jax.device_put(array, sharding)


@eqx.filter_jit
def _taken(arrays: PyTree, indices: Any) -> PyTree:
    return jtu.tree_map(lambda array: array[indices], arrays)


def _computed_ahead(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[tuple[Item, Result], None, None]:
    """Each item with its result, computed in one thread that is some items ahead."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="closurax-reader") as executor:
        try:
            for item in items:
                waiting.append((item, executor.submit(function, item)))
                if len(waiting) > _AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            # The thread ends with the batch that it is at.
            executor.shutdown(wait=False, cancel_futures=True)

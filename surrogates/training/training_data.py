"""The checks that training data pass before any work, and the digest that identifies them.

Data are arrays with a leading sample axis, or what is only read when it is indexed: anything with
the `shape` and `dtype` of an array whose index may be a slice or increasing integers.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Int, PyTree
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError, DataError

from ..named_arrays import array_name

# What the check of the values holds at once, if a sample is not larger.
_BLOCK_BYTES = 16 * 2**20


def is_lazy(leaf: Any) -> bool:
    """Whether the values of a leaf are somewhere else, and read when it is indexed."""
    if isinstance(leaf, np.memmap):
        return True
    wanted = ("shape", "dtype", "__getitem__")
    return not eqx.is_array(leaf) and all(hasattr(leaf, name) for name in wanted)


def check_training_data(train: PyTree, validation: PyTree) -> tuple[int, int]:
    """The numbers of samples for training and for validation.

    Raises `DataError`, naming the array, unless both are pytrees with the same names, of arrays
    with one leading sample axis and otherwise equal shapes and dtypes. Values are not read.
    """
    counts = _count_samples(train, "train"), _count_samples(validation, "validation")
    if _names(train) != _names(validation):
        raise DataError(
            f"`train` holds the arrays {_names(train)}, but `validation` {_names(validation)}; "
            "give both the same."
        )
    pairs = zip(jtu.tree_leaves_with_path(train), jtu.tree_leaves(validation), strict=True)
    for (path, ours), theirs in pairs:
        if (ours.shape[1:], ours.dtype) != (theirs.shape[1:], theirs.dtype):
            raise DataError(
                f"{array_name(path)!r} has samples of {ours.dtype}{list(ours.shape[1:])} in "
                f"`train`, but {theirs.dtype}{list(theirs.shape[1:])} in `validation`."
            )
    return counts


def checked_digest(train: PyTree, validation: PyTree, progress: bool) -> str:
    """A hash of the names, shapes, dtypes and values of all arrays.

    All values are read once, some megabytes at a time, with a bar if that takes more than a few
    seconds.

    Raises `DataError`, naming the array, if a value is not finite or cannot be read.
    """
    sha = hashlib.sha256()
    places = jtu.tree_leaves_with_path((train, validation))
    total = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for _, leaf in places)
    with tqdm(
        total=total,
        desc="reading the data",
        unit="B",
        unit_scale=True,
        delay=3,
        disable=not progress,
    ) as bar:
        for path, leaf in places:
            which = ("train", "validation")[path[0].idx]
            name = f"{array_name(path[1:])!r} in `{which}`"
            sha.update(f"{array_name(path)} {leaf.dtype} {leaf.shape};".encode())
            for start, block in _blocks(leaf, name):
                if np.issubdtype(block.dtype, np.inexact):
                    finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
                    if not finite.all():
                        raise DataError(
                            f"{name} is NaN or infinite in sample {start + int(finite.argmin())}; "
                            "remove or repair that sample."
                        )
                sha.update(np.ascontiguousarray(block).data)
                bar.update(block.nbytes)
    return sha.hexdigest()


def read_samples(leaf: Any, indices: Int[np.ndarray, " sample"], name: str) -> np.ndarray:
    """Samples in any order of what is read when it is indexed; each one is read once.

    They are asked for in increasing order, and as a slice if there are none between them.

    Raises `DataError`, calling the data `name`, if they cannot be read or are not as announced.
    """
    order = np.argsort(indices)
    ordered = indices[order]
    first, last = int(ordered[0]), int(ordered[-1])
    adjoining = (np.diff(ordered) == 1).all()
    try:
        read = leaf[slice(first, last + 1) if adjoining else ordered]
        # What is missing in a masked array would become a number in a plain one.
        is_complete = not np.ma.is_masked(read)
        values = np.asarray(read)
    except ClosuraxError:
        raise
    except Exception as error:
        raise DataError(
            f"{name} cannot be read at samples {first} to {last} "
            f"({' '.join(f'{type(error).__name__}: {error}'.split())}): the file must be complete "
            "and stay open."
        ) from error
    expected = ((len(indices), *leaf.shape[1:]), leaf.dtype)
    if not is_complete or (values.shape, values.dtype) != expected:
        raise DataError(
            f"{name} returns {'complete' if is_complete else 'incomplete'} samples of "
            f"{values.dtype}{list(values.shape)}, expected {expected[1]}{list(expected[0])} "
            f"for the {len(indices)} samples {first} to {last}; repair or convert the data."
        )
    if (order[1:] > order[:-1]).all():
        return values
    restored = np.empty_like(values)
    restored[order] = values
    return restored


def _blocks(leaf: Any, name: str) -> Iterator[tuple[int, np.ndarray]]:
    sample_bytes = math.prod(leaf.shape[1:]) * np.dtype(leaf.dtype).itemsize
    size = max(1, _BLOCK_BYTES // max(1, sample_bytes))
    array = None if is_lazy(leaf) else np.asarray(leaf)
    for start in range(0, leaf.shape[0], size):
        indices = np.arange(start, min(start + size, leaf.shape[0]))
        if array is None:
            yield start, read_samples(leaf, indices, name)
        else:
            yield start, array[start : start + size]


def _count_samples(data: PyTree, which: str) -> int:
    leaves = jtu.tree_leaves_with_path(data)
    if not leaves:
        raise DataError(f"`{which}` holds no arrays.")
    counts = {}
    for path, leaf in leaves:
        name = array_name(path)
        if not (eqx.is_array(leaf) or is_lazy(leaf)) or not leaf.shape:
            raise DataError(
                f"{name!r} in `{which}` is a {type(leaf).__name__}, expected an array with a "
                "leading sample axis."
            )
        counts[name] = leaf.shape[0]
    if len(set(counts.values())) > 1:
        raise DataError(f"The arrays in `{which}` have different numbers of samples: {counts}.")
    (count,) = set(counts.values())
    if count == 0:
        raise DataError(f"`{which}` holds no samples.")
    return count


def _names(data: PyTree) -> list[str]:
    return [array_name(path) for path, _ in jtu.tree_leaves_with_path(data)]

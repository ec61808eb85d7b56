"""The checks that training data pass before any work, and the digest that identifies them."""

import hashlib

import equinox as eqx
import jax.tree_util as jtu
import numpy as np
from jaxtyping import PyTree

from closurax.physics.errors import DataError

from ..named_arrays import array_name


def check_training_data(train: PyTree, validation: PyTree) -> tuple[int, int]:
    """The numbers of samples for training and for validation.

    Raises `DataError`, naming the array, unless both are pytrees with the same names, of
    finite arrays with one leading sample axis and otherwise equal shapes and dtypes.
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


def digest(tree: PyTree) -> str:
    """A hash of the names, shapes, dtypes and values of all arrays."""
    sha = hashlib.sha256()
    for path, leaf in jtu.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        sha.update(f"{array_name(path)} {array.dtype} {array.shape};".encode())
        sha.update(array.data)
    return sha.hexdigest()


def _count_samples(data: PyTree, which: str) -> int:
    leaves = jtu.tree_leaves_with_path(data)
    if not leaves:
        raise DataError(f"`{which}` holds no arrays.")
    counts = {}
    for path, leaf in leaves:
        name = array_name(path)
        if not eqx.is_array(leaf) or leaf.ndim == 0:
            raise DataError(
                f"{name!r} in `{which}` is a {type(leaf).__name__}, expected an array with a "
                "leading sample axis."
            )
        if np.issubdtype(leaf.dtype, np.inexact) and not np.isfinite(leaf).all():
            sample = np.argwhere(~np.isfinite(leaf))[0][0]
            raise DataError(
                f"{name!r} in `{which}` is NaN or infinite in sample {sample}; remove or repair "
                "that sample."
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

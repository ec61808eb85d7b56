"""Checkpoints of a training in a simulation: all that its next iteration depends on."""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import PyTree

from ..array_file import read_array_file, write_array_file
from ..named_arrays import named_arrays, with_arrays
from .identity import check_identity

_FORMAT = "closurax checkpoint of a training in a simulation"
_FORMAT_VERSION = 1
_STATE, _HISTORY = "state/", "history/"


def write_checkpoint(
    path: str | os.PathLike,
    state: PyTree,
    history: Mapping[str, Sequence[float]],
    identity: Mapping[str, Any],
) -> None:
    """Writes the state and the columns of the history; `identity` says of which training."""
    header = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "closurax_version": version("closurax"),
        "jax_version": jax.__version__,
        "identity": dict(identity),
    }
    arrays = {_STATE + name: array for name, array in named_arrays(_without_keys(state)).items()}
    arrays |= {_HISTORY + name: np.asarray(column, float) for name, column in history.items()}
    write_array_file(path, header, arrays)


def read_checkpoint(
    path: str | os.PathLike, like: PyTree, identity: Mapping[str, Any]
) -> tuple[PyTree, dict[str, list[float]]]:
    """The state, in the structure of `like`, and the history that `write_checkpoint` wrote.

    Raises `SurrogateFileError` if the file is damaged, or belongs to another training: all
    entries of `identity` must be equal.
    """
    header, arrays = read_array_file(path, _FORMAT, _FORMAT_VERSION)
    check_identity(path, header.get("identity", {}), identity)
    named = _under(_STATE, arrays)
    state = with_arrays(_without_keys(like), named, repr(str(path)))
    history = {name: column.tolist() for name, column in _under(_HISTORY, arrays).items()}
    return _with_keys(state, like), history


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _without_keys(tree: PyTree) -> PyTree:
    """Files hold random keys, of which the state of an environment may have some, as integers."""
    return jtu.tree_map(lambda leaf: jr.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _with_keys(tree: PyTree, like: PyTree) -> PyTree:
    return jtu.tree_map(
        lambda leaf, key: jr.wrap_key_data(leaf, impl=jr.key_impl(key)) if _is_key(key) else leaf,
        tree,
        like,
    )


def _is_key(leaf: Any) -> bool:
    return eqx.is_array(leaf) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)

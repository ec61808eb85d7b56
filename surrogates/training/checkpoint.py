"""Checkpoints of a training: everything that its next epoch depends on, in one file."""

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from closurax.physics.errors import SurrogateFileError

from ..array_file import read_array_file, write_array_file
from ..named_arrays import named_arrays, with_arrays
from .history import History
from .identity import check_identity

_FORMAT = "closurax checkpoint"
_FORMAT_VERSION = 1


class TrainingState(NamedTuple):
    """The model and the optimiser after the epochs of `history`, and the best model so far."""

    model: PyTree
    optimiser: PyTree
    best: PyTree
    history: History


def write_checkpoint(
    path: str | os.PathLike, state: TrainingState, identity: Mapping[str, Any]
) -> None:
    """Writes the whole state; `identity` says which training it belongs to."""
    groups = {
        "model": named_arrays(state.model),
        "optimiser": named_arrays(state.optimiser),
        "best": named_arrays(state.best),
        "history": state.history.arrays(),
    }
    write_array_file(path, _header(identity, state.history.epochs), _joined(groups))


def write_model(
    path: str | os.PathLike, model: PyTree, epoch: int, identity: Mapping[str, Any]
) -> None:
    """Writes the arrays of a model alone, for `restore_model`."""
    groups = {"model": named_arrays(model)}
    write_array_file(path, _header(identity, epoch), _joined(groups))


def read_checkpoint(
    path: str | os.PathLike, like: TrainingState, identity: Mapping[str, Any]
) -> TrainingState:
    """The state that `write_checkpoint` wrote, in the structure of `like`.

    Raises `SurrogateFileError` if the file is damaged, or belongs to another training: all
    entries of `identity` must be equal.
    """
    header, arrays = read_array_file(path, _FORMAT, _FORMAT_VERSION)
    check_identity(path, header.get("identity", {}), identity)
    groups = _split(arrays)
    if "history" not in groups:
        raise SurrogateFileError(f"{str(path)!r} holds a model only; resume from the last one.")
    source = repr(str(path))
    return TrainingState(
        model=with_arrays(like.model, groups.get("model", {}), source),
        optimiser=with_arrays(like.optimiser, groups.get("optimiser", {}), source),
        best=with_arrays(like.best, groups.get("best", {}), source),
        history=History.from_arrays(groups["history"]),
    )


def restore_model(path: str | os.PathLike, like: PyTree) -> PyTree:
    """The model in a checkpoint that `fit` wrote, `best.npz` or `last.npz`.

    **Arguments:**

    - `like`: a model of the same structure; its arrays are replaced.

    Raises `SurrogateFileError` if the file is damaged or the model has another structure.
    """
    _, arrays = read_array_file(path, _FORMAT, _FORMAT_VERSION)
    return with_arrays(like, _split(arrays).get("model", {}), repr(str(Path(path))))


def _header(identity: Mapping[str, Any], epoch: int) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "closurax_version": version("closurax"),
        "jax_version": jax.__version__,
        "epoch": epoch,
        "identity": dict(identity),
    }


def _joined(groups: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {f"{group}/{name}": array for group, g in groups.items() for name, array in g.items()}


def _split(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    groups: dict[str, dict[str, np.ndarray]] = {}
    for path, array in arrays.items():
        group, _, name = path.partition("/")
        groups.setdefault(group, {})[name] = array
    return groups

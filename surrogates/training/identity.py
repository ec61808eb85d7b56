"""What tells one training from another, so that none is resumed as what it is not."""

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from closurax.physics.errors import SurrogateFileError

from ..named_arrays import named_arrays


def structure(tree: PyTree) -> str:
    """A pytree as text, with the shapes of its arrays, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", eqx.tree_pformat(tree, width=100))


def arrays_digest(tree: PyTree) -> str:
    """A hash of the names, shapes, dtypes and values of the arrays of a pytree."""
    sha = hashlib.sha256()
    for name, array in named_arrays(tree).items():
        sha.update(f"{name} {array.dtype} {array.shape};".encode() + array.tobytes())
    return sha.hexdigest()


def check_identity(
    path: str | os.PathLike, written: Mapping[str, Any], identity: Mapping[str, Any]
) -> None:
    """Raises `SurrogateFileError` unless all entries of a file's identity are equal to ours."""
    for key in {**identity, **written}:
        if written.get(key) != identity.get(key):
            raise SurrogateFileError(
                f"{str(path)!r} belongs to a training with another {key.replace('_', ' ')}: "
                f"{_brief(written.get(key))} there, {_brief(identity.get(key))} now. Resume with "
                "the same, or train into another folder."
            )


def _brief(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else text[:117] + "..."

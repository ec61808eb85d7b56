"""What tells one training from another, so that none is resumed as what it is not."""

import os
import re
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from closurax.physics.errors import SurrogateFileError


def structure(tree: PyTree) -> str:
    """A pytree as text, with the shapes of its arrays, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", eqx.tree_pformat(tree, width=100))


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

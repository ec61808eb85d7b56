"""Surrogate files: one scheme, operator or field with its arrays, readable with numpy alone."""

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax.tree_util as jtu

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError, SurrogateFileError
from closurax.physics.scheme import AbstractScheme

from .array_file import read_array_file, write_array_file
from .description import build, describe
from .fields import AbstractField
from .named_arrays import array_name, named_arrays, with_arrays
from .operators import FieldSurrogate
from .reinforcement.gaussian_policy import GaussianPolicy

Savable = AbstractScheme | FieldSurrogate | GaussianPolicy | AbstractField

_FORMAT = "closurax surrogate"
_FORMAT_VERSION = 1


def save(
    path: str | os.PathLike,
    scheme: Savable,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Writes a scheme, a surrogate between fields, a policy or a field, with all it holds.

    The file is a zip archive that `numpy.load` opens: the arrays by their paths in the scheme,
    and `header`, the bytes of a JSON text with the classes and their arguments, what the
    scheme reads and returns, which arrays normalise, and `provenance`.

    **Arguments:**

    - `path`: any name; the file replaces an older one when it is complete.
    - `scheme`: of the classes in `closurax.surrogates.classes`. A field is in the units of its
        problem, which the file does not hold, and has no offset that is not a field, too.
    - `provenance`: how the scheme was trained: numbers, strings, lists and mappings.

    Raises `SurrogateFileError` if the scheme cannot be written.
    """
    description = describe(scheme)
    arrays = named_arrays(scheme)
    _check_description(description, scheme)
    header = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "closurax_version": version("closurax"),
        "scheme": description,
        "reads": _quantities(scheme, "reads"),
        "returns": _quantities(scheme, "returns"),
        "normalisation": _normalisation_arrays(scheme),
        "provenance": dict(provenance or {}),
    }
    write_array_file(path, header, arrays)


def load(path: str | os.PathLike) -> Any:
    """The scheme, `FieldSurrogate`, `GaussianPolicy` or field of `save`, the same bit by bit.

    Raises `SurrogateFileError` if the file is missing, damaged, of a newer format, names a
    class that is not known, or holds other arrays than the class has.
    """
    header, arrays = read_array_file(path, _FORMAT, _FORMAT_VERSION)
    try:
        # Under `filter_eval_shape` nothing random is drawn only to be overwritten.
        skeleton = eqx.filter_eval_shape(build, header.get("scheme"))
    except SurrogateFileError as error:
        raise SurrogateFileError(f"{str(path)!r}: {error}") from error
    except (ClosuraxError, TypeError, ValueError) as error:
        raise SurrogateFileError(
            f"{str(path)!r} describes a scheme that cannot be built: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(skeleton, Savable):
        raise SurrogateFileError(
            f"{str(path)!r} describes no scheme, surrogate between fields, policy or field."
        )
    return with_arrays(skeleton, arrays, repr(str(path)))


def _quantities(scheme: Savable, name: str) -> list[list[str]]:
    # A field reads a point.
    known = [] if isinstance(scheme, AbstractField) else getattr(scheme, name)
    return [list(quantity) for quantity in known]


def _check_description(description: Any, scheme: Savable) -> None:
    rebuilt = eqx.filter_eval_shape(build, description)
    _, values = eqx.partition(scheme, eqx.is_array)
    with_arrays(rebuilt, named_arrays(scheme), type(scheme).__name__)
    rebuilt_values = jtu.tree_map(lambda leaf: None if hasattr(leaf, "shape") else leaf, rebuilt)
    if not eqx.tree_equal(values, rebuilt_values):
        raise SurrogateFileError(
            f"{type(scheme).__name__} is not what its arguments build: a field was changed after "
            "it was made; build it anew."
        )


def _normalisation_arrays(scheme: Savable) -> list[str]:
    nodes = jtu.tree_leaves_with_path(scheme, is_leaf=lambda node: isinstance(node, Standardiser))
    return [
        f"{array_name(path)}/{name}"
        for path, node in nodes
        if isinstance(node, Standardiser)
        for name in named_arrays(node)
    ]

"""A convection scheme as one artefact for Python hosts that have jax but not its classes."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export
from jaxtyping import Array, Float

from closurax.physics.column.convection import SURFACE
from closurax.physics.errors import SurrogateFileError

from ..columns import ConvectionNetwork
from .c_source import READ_PROFILES

Columns = Mapping[str, Float[Array, "column ..."]]


def export_jax(scheme: ConvectionNetwork, path: str | os.PathLike) -> None:
    """Writes the scheme, for any number of columns, by `jax.export`.

    It calls with a dict of float32 arrays, profiles `(column, level)` and scalars `(column,)`,
    and returns one; it runs on CPUs and GPUs, and `jax.export` keeps it readable for half a year
    of later versions.
    """
    (columns,) = export.symbolic_shape("columns")
    levels = scheme.features.levels
    read = {q.name: jax.ShapeDtypeStruct((columns, levels), jnp.float32) for q in READ_PROFILES}
    read |= {q.name: jax.ShapeDtypeStruct((columns,), jnp.float32) for q in SURFACE}
    function = jax.jit(jax.vmap(scheme.tendencies))
    exported = export.export(function, platforms=("cpu", "cuda"))(read)
    Path(path).write_bytes(exported.serialize())


def load_exported(path: str | os.PathLike) -> Callable[[Columns], dict[str, Array]]:
    """The function that `export_jax` wrote: many columns to what the scheme returns for them.

    Raises `SurrogateFileError` if the file is missing, or cannot be read by this jax.
    """
    try:
        exported = export.deserialize(bytearray(Path(path).read_bytes()))
    except OSError as error:
        raise SurrogateFileError(f"There is no file {str(path)!r}; check the path.") from error
    except Exception as error:
        raise SurrogateFileError(
            f"{str(path)!r} is not an exported scheme that jax {jax.__version__} can read; export "
            "it anew."
        ) from error
    return jax.jit(exported.call)

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from closurax.physics.scheme import AbstractScheme

from .c_network import stack_kilobytes
from .c_source import c_header, c_source, exportable, scheme_title
from .fortran_source import fortran_driver, fortran_module
from .jax_export import export_jax
from .native_text import native_text
from .parity import checked_inputs, parity_inputs, reference, write_parity

COMPILER_FLAGS = (
    "-std=c99 -O3 -march=native -fno-math-errno -fno-trapping-math -fno-thread-jumps "
    "-ffp-contract=fast"
)
"""What the C is fastest with, and keeps its decisions with."""


def export_c(
    scheme: AbstractScheme,
    folder: str | os.PathLike,
    inputs: Mapping[str, Array | np.ndarray] | None = None,
    *,
    columns: int = 256,
    tolerance: float = 2e-5,
) -> None:
    """Writes a learned convection scheme as C99, with Fortran around it and a test of both.

    Into `folder` go the C and its header, a Fortran module with `bind(c)` interfaces, a Fortran
    program that compares the scheme with reference outputs, these in `parity.bin`, the scheme
    for Python hosts as `export_jax` writes it, and `README.txt` with the commands to compile.
    All is in single precision.

    **Arguments:**

    - `scheme`: a `ConvectionNetwork`, or a `PersistentConvection` of one, which is exported
        without its memory: to hold the tendencies for their lifetime is up to the host.
    - `inputs`: what the scheme reads, for many columns; by default such are drawn around the
        soundings that ship.
    - `columns`: how many of them at most become the reference.
    - `tolerance`: how far the C may be from closurax in the reference columns, as a fraction of
        the largest magnitude of each output in all `inputs`. Columns whose outputs move by more
        than half of that, or whose decisions change, when inputs are rounded otherwise are left
        out: single precision does not determine them.

    Raises `ClosuraxError` if a part of the scheme cannot be exported, and `DataError` if the
    columns do not fit the scheme.
    """
    learned = jax.tree_util.tree_map(_single, exportable(scheme))
    levels = learned.features.levels
    source = c_source(learned)
    read = parity_inputs(levels) if inputs is None else inputs
    inputs, outputs, largest = reference(learned, checked_inputs(read, levels), columns, tolerance)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    readme = native_text("README.txt")
    for mark, value in (
        ("TITLE", scheme_title(learned)),
        ("VERSION", version("closurax")),
        ("LEVELS", str(levels)),
        ("STACK", str(stack_kilobytes(learned.network, learned.features))),
        ("COLUMNS", str(len(inputs["time_step"]))),
        ("FLAGS", COMPILER_FLAGS),
    ):
        readme = readme.replace(f"@{mark}@", value)
    for name, text in (
        ("closurax_convection.h", c_header(learned)),
        ("closurax_convection.c", source),
        ("closurax_convection.f90", fortran_module()),
        ("column_driver.f90", fortran_driver(tolerance, largest)),
        ("README.txt", readme),
    ):
        (target / name).write_text(text, encoding="utf-8")
    write_parity(target / "parity.bin", inputs, outputs)
    export_jax(learned, target / "scheme.jaxexport")


def _single(leaf: Any) -> Any:
    is_double = eqx.is_array(leaf) and leaf.dtype == np.float64
    return jnp.asarray(leaf, jnp.float32) if is_double else leaf

"""Columns with what a scheme returns for them, to check an exported scheme with."""

import os
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.datasets.column_generator import ColumnRecipe, draw_columns
from closurax.datasets.parent_soundings import sars_soundings
from closurax.physics.column.convection import SCALARS, SURFACE, TENDENCIES
from closurax.physics.errors import DataError

from ..columns import ConvectionNetwork
from .c_source import READ_PROFILES

_MAGIC, _LAYOUT = b"closurax", 1
_ROUNDING, _TRIALS = 5e-7, 4
_DECISIONS = ("convection_class", "cloud_base_level", "cloud_top_level")

Inputs = Mapping[str, Float[np.ndarray, "column ..."]]


def parity_inputs(levels: int, count: int = 1024, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns drawn around the soundings that ship, about half of them with convection.

    Raises `DataError` if they have another number of levels.
    """
    soundings = sars_soundings()
    if soundings.sizes["level"] != levels:
        raise DataError(
            f"The scheme is for {levels} levels, and the soundings that ship have "
            f"{soundings.sizes['level']}; give columns of your own."
        )
    return draw_columns(soundings, ColumnRecipe(), count, seed)


def checked_inputs(inputs: Mapping[str, Array | np.ndarray], levels: int) -> dict[str, np.ndarray]:
    """What a scheme reads, as contiguous float32.

    Raises `DataError` if something is missing or has another shape.
    """
    arrays = {}
    columns = None
    for quantities, extent in ((READ_PROFILES, (levels,)), (SURFACE, ())):
        for name, _ in quantities:
            if name not in inputs:
                raise DataError(f"The columns lack {name!r}, which the scheme reads.")
            array = np.ascontiguousarray(inputs[name], np.float32)
            columns = array.shape[0] if columns is None and array.ndim else columns
            if array.shape != (columns, *extent):
                raise DataError(
                    f"{name!r} has the shape {array.shape}, expected {(columns, *extent)}: "
                    "(column, level), or (column,) for scalars."
                )
            arrays[name] = array
    return arrays


def reference(
    scheme: ConvectionNetwork, inputs: Inputs, columns: int, tolerance: float, seed: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, float]]:
    """The first columns whose outputs do not hang on rounding, and what the scheme returns there.

    Last comes the largest magnitude of each output in all columns, by which differences are
    judged.

    Air that is 1e-5 K too cold to be set off is set off on another machine. So columns are left
    out where inputs that are changed by a few units in the last place give another decision, or
    move an output by more than half the tolerance.

    **Arguments:**

    - `columns`: how many at most.
    - `tolerance`: of the largest magnitude of each output.

    Raises `DataError` if that leaves no column with convection.
    """
    call = eqx.filter_jit(lambda scheme, read: jax.vmap(scheme.tendencies)(read))

    def returned(read: Inputs) -> dict[str, np.ndarray]:
        outputs = call(scheme, {name: jnp.asarray(values) for name, values in read.items()})
        return {q.name: np.asarray(outputs[q.name]) for q in (*TENDENCIES, *SCALARS)}

    outputs = returned(inputs)
    largest = {name: float(np.abs(values).max()) for name, values in outputs.items()}
    rng = np.random.default_rng(seed)
    keeps = np.ones(outputs["convection_class"].shape, bool)
    for _ in range(_TRIALS):
        moved = {
            name: (values * (1 + _ROUNDING * rng.uniform(-1, 1, values.shape))).astype(np.float32)
            for name, values in inputs.items()
        }
        for name, values in returned(moved).items():
            limit = 0.0 if name in _DECISIONS else 0.5 * tolerance * largest[name]
            change = np.abs(values - outputs[name]).reshape(len(values), -1).max(axis=1)
            keeps &= change <= limit
    chosen = np.flatnonzero(keeps)[:columns]
    if not np.any(outputs["convection_class"][chosen] > 0):
        raise DataError(
            "No column of those given has convection that does not hang on rounding, so they "
            "check nothing; give others."
        )
    return (
        {name: values[chosen] for name, values in inputs.items()},
        {name: values[chosen] for name, values in outputs.items()},
        largest,
    )


def write_parity(path: str | os.PathLike, inputs: Inputs, outputs: Inputs) -> None:
    """Writes `parity.bin`; `native/column_driver.f90` documents its layout."""
    columns, levels = inputs["air_pressure"].shape
    quantities = ((*READ_PROFILES, *SURFACE), inputs), ((*TENDENCIES, *SCALARS), outputs)
    with open(path, "wb") as file:
        file.write(_MAGIC)
        file.write(np.asarray([_LAYOUT, columns, levels], np.int32).tobytes())
        for names, arrays in quantities:
            for name, _ in names:
                file.write(np.ascontiguousarray(arrays[name], np.float32).tobytes())


def read_parity(
    path: str | os.PathLike,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inputs and outputs in a file that `write_parity` wrote.

    Raises `DataError` if it is something else.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:8] != _MAGIC or np.frombuffer(content[8:12], np.int32)[0] != _LAYOUT:
        raise DataError(f"{str(path)!r} is not a parity file; export the scheme anew.")
    columns, levels = np.frombuffer(content[12:20], np.int32)
    values, start = np.frombuffer(content[20:], np.float32), 0
    parts = []
    for profiles, scalars in ((READ_PROFILES, SURFACE), (TENDENCIES, SCALARS)):
        part = {}
        for quantities, shape in ((profiles, (columns, levels)), (scalars, (columns,))):
            for name, _ in quantities:
                size = int(np.prod(shape))
                part[name] = values[start : start + size].reshape(shape)
                start += size
        parts.append(part)
    return parts[0], parts[1]

"""Arrays and numbers as C99 text that gives back the same float32."""

import numpy as np
from jaxtyping import Array, Float, Int

PANEL = 8
"""Rows of a matrix that are stored together; `native/products.c` says why."""

_NUMBERS_IN_A_LINE = 8


def number(value: float | Array | np.ndarray) -> str:
    """A float32 constant; nine digits are enough to give back every float32."""
    text = f"{np.float32(value):.9g}"
    return (text if "." in text or "e" in text else text + ".0") + "f"


def float_array(name: str, values: Float[Array | np.ndarray, "..."]) -> str:
    """The definition of a constant float array of the same shape."""
    array = np.asarray(values, np.float32)
    numbers = ",".join(map(number, array.reshape(-1).tolist())).split(",")
    return _definition("float", name, array.shape, numbers)


def integer_array(name: str, values: Int[np.ndarray, "..."]) -> str:
    """The definition of a constant int array of the same shape."""
    return _definition("int", name, values.shape, [str(v) for v in values.reshape(-1).tolist()])


def matrix(rows: Float[Array | np.ndarray, "row input"]) -> Float[np.ndarray, " element"]:
    """A matrix in panels of `PANEL` rows, in a panel input by input, padded with zeros."""
    weight = np.asarray(rows, np.float32)
    inputs = weight.shape[1]
    padded = np.pad(weight, ((0, -len(weight) % PANEL), (0, 0)))
    return padded.reshape(-1, PANEL, inputs).transpose(0, 2, 1).reshape(-1)


def _definition(kind: str, name: str, shape: tuple[int, ...], numbers: list[str]) -> str:
    lines = [
        ",".join(numbers[start : start + _NUMBERS_IN_A_LINE])
        for start in range(0, len(numbers), _NUMBERS_IN_A_LINE)
    ]
    extent = "".join(f"[{size}]" for size in shape)
    body = ",\n".join(lines)
    # Without inner braces C fills the rows in order; compilers warn of that, so reshape in braces.
    if len(shape) > 1:
        body = _braced(numbers, shape)
    return f"static const {kind} {name}{extent} = {{\n{body}}};\n"


def _braced(numbers: list[str], shape: tuple[int, ...]) -> str:
    row = int(np.prod(shape[1:]))
    rows = [numbers[start : start + row] for start in range(0, len(numbers), row)]
    if len(shape) > 2:
        return ",\n".join("{" + _braced(values, shape[1:]) + "}" for values in rows)
    return ",\n".join("{" + ",".join(values) + "}" for values in rows)

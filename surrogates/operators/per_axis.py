from collections.abc import Sequence
from typing import TypeVar

from closurax.physics.errors import ClosuraxError

Value = TypeVar("Value", int, float)


def per_axis(
    value: Value | Sequence[Value], dimensions: int, name: str, at_least: Value
) -> tuple[Value, ...]:
    """The value of each axis, from one for all of them or from as many as there are.

    Raises `ClosuraxError`, calling the argument `name`, for another number of them or of axes,
    or for a value below `at_least`.
    """
    if dimensions not in (1, 2, 3):
        raise ClosuraxError(f"`dimensions` must be 1, 2 or 3, not {dimensions}.")
    values = tuple(value) if isinstance(value, Sequence) else (value,) * dimensions
    if len(values) != dimensions or min(values) < at_least:
        raise ClosuraxError(
            f"`{name}` is {value}; give a number of at least {at_least}, or one for each of the "
            f"{dimensions} axes."
        )
    return values

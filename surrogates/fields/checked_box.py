from collections.abc import Sequence

from closurax.physics.errors import ClosuraxError


def checked_box(
    lower: Sequence[float | int], upper: Sequence[float | int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Both ends of a box along each axis. Raises `ClosuraxError` for an empty one."""
    ends = tuple(map(float, lower)), tuple(map(float, upper))
    if any(low >= high for low, high in zip(*ends, strict=True)):
        raise ClosuraxError(
            f"`upper` = {ends[1]} must be above `lower` = {ends[0]} along each axis."
        )
    return ends

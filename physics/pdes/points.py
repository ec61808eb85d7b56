"""Where fields on the unit square live: at the centres of cells, or at nodes."""

import numpy as np
from jaxtyping import Float

from ..errors import GridMismatchError


def cell_centres(count: int) -> Float[np.ndarray, " {count}"]:
    """The centres (i + 1/2) / count of equal cells that fill the unit interval."""
    _check(count, 1)
    return (np.arange(count) + 0.5) / count


def nodes(count: int) -> Float[np.ndarray, " {count}"]:
    """Equidistant points i / (count - 1) of the unit interval, the two ends included."""
    _check(count, 2)
    return np.arange(count) / (count - 1)


def _check(count: int, least: int) -> None:
    if count < least:
        raise GridMismatchError(f"`count` is {count}; an axis needs at least {least} points.")

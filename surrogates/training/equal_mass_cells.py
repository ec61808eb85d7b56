from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from closurax.physics.problems import grid_points

_ALONG = 33
_ACROSS = 6


def equal_mass_cells(
    density: Callable[[np.ndarray], np.ndarray],
    lower: Float[np.ndarray, " dims"],
    upper: Float[np.ndarray, " dims"],
    count: int,
) -> tuple[Float[np.ndarray, "cells dims"], Float[np.ndarray, "cells dims"]]:
    """A box in cells with the same mass, none of them much longer than wide.

    A box is cut across its longest side into two with half of the cells each, and these again
    (Bentley 1975, Commun. ACM 18, 509). So small cells stay where the density is large, which
    products of cells along each axis do not.

    **Arguments:**

    - `density`: positive; maps points, (points, dims), to values, (points,).
    - `lower`, `upper`: the corners of the box.
    - `count`: of cells.

    **Returns:**

    The lower and the upper corners of the cells.
    """
    found, left = [], [(lower, upper, count)]
    while left:
        low, high, number = left.pop()
        if number == 1:
            found.append((low, high))
            continue
        axis = int(np.argmax(high - low))
        cut = low[axis] + (high - low)[axis] * _part(density, low, high, axis, number // 2 / number)
        below, above = high.copy(), low.copy()
        below[axis] = above[axis] = cut
        left += [(above, high, number - number // 2), (low, below, number // 2)]
    lows, highs = zip(*found, strict=True)
    return np.stack(lows), np.stack(highs)


def _part(density, low, high, axis: int, part: float) -> float:
    """Where along a side, from 0 to 1, this part of the mass lies below."""
    lines = [
        start + (end - start) * (np.arange(_ACROSS) + 0.5) / _ACROSS
        for start, end in zip(low, high, strict=True)
    ]
    along = np.linspace(0, 1, _ALONG)
    lines[axis] = low[axis] + (high - low)[axis] * along
    points = grid_points(lines)
    values = density(points.reshape(-1, len(low))).reshape(points.shape[:-1])
    profile = np.moveaxis(values, axis, 0).reshape(_ALONG, -1).mean(axis=1)
    below = np.concatenate([[0], np.cumsum(profile[1:] + profile[:-1])])
    return float(np.interp(part * below[-1], below, along))

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from .sampling import grid_points


def box_quadrature(
    lower: Sequence[float], upper: Sequence[float], counts: Sequence[int]
) -> tuple[Float[np.ndarray, "points dims"], Float[np.ndarray, " points"]]:
    """The points and the weights of products of Gauss's quadrature along the axes of a box.

    With $n$ points along an axis it is exact for polynomials of degree $2 n - 1$ there.

    **Arguments:**

    - `lower`, `upper`: the corners of the box.
    - `counts`: of points along each axis.
    """
    axes, weights = [], []
    for low, high, count in zip(lower, upper, counts, strict=True):
        nodes, shares = np.polynomial.legendre.leggauss(count)
        axes.append(low + (high - low) * (nodes + 1) / 2)
        weights.append((high - low) * shares / 2)
    dims = len(axes)
    measure = grid_points(weights).reshape(-1, dims).prod(axis=1)
    return grid_points(axes).reshape(-1, dims), measure

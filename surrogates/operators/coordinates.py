from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError


def unit_coordinates(sizes: Sequence[int], layout: str, dtype) -> Float[Array, "axes *space"]:
    """The coordinates of the points of a grid in the unit interval, square or cube.

    `"cells"` are the centres of equal cells; of `"nodes"` the first and last ones of an axis are
    its ends.
    """
    if layout == "cells":
        axes = [(np.arange(size) + 0.5) / size for size in sizes]
    else:
        axes = [np.linspace(0, 1, size) for size in sizes]
    return jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij")), dtype)


def check_layout(layout: str) -> None:
    """Raises `ClosuraxError` unless it is one of those that `unit_coordinates` knows."""
    if layout not in ("cells", "nodes"):
        raise ClosuraxError(f"`layout` is {layout!r}; give 'cells' or 'nodes'.")

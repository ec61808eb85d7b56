"""What a field is beyond the sides of its grid."""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError

Points = Literal["cells", "nodes"]
Sides = tuple[str, str]
BoundaryLike = str | Sequence[str | Sequence[str]]

PERIODIC, DIRICHLET, NEUMANN, ZERO = "periodic", "dirichlet", "neumann", "zero"
_BOUNDARIES = (PERIODIC, DIRICHLET, NEUMANN, ZERO)


def boundary_sides(boundary: BoundaryLike, dimensions: int) -> tuple[Sides, ...]:
    """For each axis the boundary condition of its lower and of its upper side.

    **Arguments:**

    - `boundary`: one name for all sides, or a name or a pair of names for each axis.
        `"periodic"`; `"dirichlet"`, zero on the boundary, by an odd extension; `"neumann"`,
        no normal derivative, by an even extension; `"zero"`, zero everywhere beyond the side,
        which no homogeneous condition implies but most convolutional networks assume.
    - `dimensions`: how many axes there are.

    Raises `ClosuraxError` for an unknown name, another number of axes, or an axis that is
    periodic on one side only.
    """
    axes = (boundary,) * dimensions if isinstance(boundary, str) else tuple(boundary)
    if len(axes) != dimensions:
        raise ClosuraxError(
            f"`boundary` is {boundary!r}, for {len(axes)} axes; there are {dimensions}."
        )
    sides = tuple((axis, axis) if isinstance(axis, str) else tuple(axis) for axis in axes)
    for pair in sides:
        for name in pair:
            if name not in _BOUNDARIES:
                raise ClosuraxError(
                    f"Boundary {name!r} is not known; give one of {list(_BOUNDARIES)}."
                )
        if len(pair) != 2 or (PERIODIC in pair and pair[0] != pair[1]):
            raise ClosuraxError(
                f"An axis has two sides, both periodic or neither; `boundary` gives {pair}."
            )
    return sides  # type: ignore[return-value]


def extend(
    field: Float[Array, "*points channels"],
    widths: Sequence[tuple[int, int]],
    sides: Sequence[Sides],
    points: Points,
) -> Float[Array, "*extended channels"]:
    """The field with `widths` more points below and above each axis.

    `"cells"` are points half a spacing from the sides. Of `"nodes"` the first and the last lie
    on the sides, or, where the field is zero on the side, one spacing from it.
    """
    for axis, (width, pair) in enumerate(zip(widths, sides, strict=True)):
        field = _extend_axis(field, axis, width, pair, points)
    return field


def _extend_axis(
    field: Array, axis: int, widths: tuple[int, int], sides: Sides, points: Points
) -> Array:
    if sides == (ZERO, ZERO):
        return jnp.pad(field, [widths if i == axis else (0, 0) for i in range(field.ndim)])
    size = field.shape[axis]
    positions = [*range(-widths[0], 0), *range(size, size + widths[1])]
    lines = [_line(field, axis, position, sides, points) for position in positions]
    return jnp.concatenate([*lines[: widths[0]], field, *lines[widths[0] :]], axis)


def _line(field: Array, axis: int, position: int, sides: Sides, points: Points) -> Array:
    index, sign = _image(position, field.shape[axis], sides, points)
    return sign * lax.slice_in_dim(field, index, index + 1, axis=axis)


# Twice the distance of the outermost point from the side, in spacings.
_DISTANCE = {
    ("cells", DIRICHLET): 1,
    ("cells", NEUMANN): 1,
    ("nodes", DIRICHLET): 2,
    ("nodes", NEUMANN): 0,
}


def _image(position: int, size: int, sides: Sides, points: Points) -> tuple[int, int]:
    """Which point of the grid a position beyond it repeats, and with which sign."""
    if sides[0] == PERIODIC:
        return position % size, 1
    sign = 1
    while not 0 <= position < size:
        is_below = position < 0
        side = sides[0 if is_below else 1]
        if side == ZERO:
            return 0, 0
        distance = _DISTANCE[points, side]
        if distance == 0 and size == 1:
            return 0, sign
        mirror = -distance if is_below else 2 * (size - 1) + distance
        if side == DIRICHLET:
            if 2 * position == mirror:
                return 0, 0
            sign = -sign
        position = mirror - position
    return position, sign

"""The eight rotations and reflections of the square, for arrays of numpy and of jax."""

from itertools import product
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Array

Symmetry = tuple[bool, bool, bool]
"""Whether to transpose, then to reflect the first, then the second axis."""
AnyArray = TypeVar("AnyArray", np.ndarray, Array)

SQUARE_SYMMETRIES: Final[tuple[Symmetry, ...]] = tuple(
    product((False, True), (False, True), (False, True))
)


def dihedral_copies(*fields: np.ndarray) -> tuple[np.ndarray, ...]:
    """All rotations and reflections of samples on a square, eight of each.

    For problems that a rotation or reflection of the square does not change, with scalar fields.
    All copies of the samples have the same order, those of one symmetry together.

    **Arguments:**

    - `fields`: arrays whose last two axes are those of the square, of the same length.
    """
    return tuple(
        np.concatenate([turned(array, symmetry) for symmetry in SQUARE_SYMMETRIES])
        for array in fields
    )


def turned(field: AnyArray, symmetry: Symmetry) -> AnyArray:
    """An array whose last two axes are those of the square, by one of the symmetries."""
    swap, flip_x, flip_y = symmetry
    field = field.swapaxes(-1, -2) if swap else field
    field = field[..., ::-1, :] if flip_x else field
    return field[..., ::-1] if flip_y else field


def turned_back(field: AnyArray, symmetry: Symmetry) -> AnyArray:
    """The inverse of `turned`."""
    swap, flip_x, flip_y = symmetry
    field = field[..., ::-1] if flip_y else field
    field = field[..., ::-1, :] if flip_x else field
    return field.swapaxes(-1, -2) if swap else field


def is_reflection(symmetry: Symmetry) -> bool:
    """Whether it changes the sense of rotation, and so the sign of a vorticity."""
    return sum(symmetry) % 2 == 1

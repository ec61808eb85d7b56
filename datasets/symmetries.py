from collections.abc import Iterator

import numpy as np


def dihedral_copies(*fields: np.ndarray) -> tuple[np.ndarray, ...]:
    """All rotations and reflections of samples on a square, eight of each.

    For problems that a rotation or reflection of the square does not change, with scalar fields.
    All copies of the samples have the same order, those of one symmetry together.

    **Arguments:**

    - `fields`: arrays whose last two axes are those of the square, of the same length.
    """
    return tuple(np.concatenate(list(_copies(array))) for array in fields)


def _copies(array: np.ndarray) -> Iterator[np.ndarray]:
    for transposed in (array, np.swapaxes(array, -1, -2)):
        for reflected in (transposed, transposed[..., ::-1, :]):
            yield reflected
            yield reflected[..., ::-1]

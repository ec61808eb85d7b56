"""The eight rotations and reflections of the square, of fields whose last two axes are its own."""

from itertools import product

import jax.numpy as jnp
from jaxtyping import Array, Float

Symmetry = tuple[bool, bool, bool]
"""Whether to transpose, then to reflect the first, then the second axis."""

SQUARE_SYMMETRIES: tuple[Symmetry, ...] = tuple(
    product((False, True), (False, True), (False, True))
)


def turned(
    field: Float[Array, "*channels n n"], symmetry: Symmetry
) -> Float[Array, "*channels n n"]:
    swap, flip_x, flip_y = symmetry
    field = jnp.swapaxes(field, -1, -2) if swap else field
    field = field[..., ::-1, :] if flip_x else field
    return field[..., ::-1] if flip_y else field


def turned_back(
    field: Float[Array, "*channels n n"], symmetry: Symmetry
) -> Float[Array, "*channels n n"]:
    swap, flip_x, flip_y = symmetry
    field = field[..., ::-1] if flip_y else field
    field = field[..., ::-1, :] if flip_x else field
    return jnp.swapaxes(field, -1, -2) if swap else field


def is_reflection(symmetry: Symmetry) -> bool:
    """Whether it changes the sense of rotation, and so the sign of a vorticity."""
    return sum(symmetry) % 2 == 1

"""Means over the rotations and reflections of fields whose last two axes are those of a square."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.datasets.symmetries import (
    SQUARE_SYMMETRIES,
    Symmetry,
    is_reflection,
    turned,
    turned_back,
)


def turned_copies(
    field: Float[Array, "*channels n n"], *, pseudoscalar: bool = False
) -> Float[Array, "8 *channels n n"]:
    """The eight copies of a field; a reflection changes the sign of a pseudoscalar one."""
    return jnp.stack([_sign(g, pseudoscalar) * turned(field, g) for g in SQUARE_SYMMETRIES])


def mean_turned_back(
    copies: Float[Array, "8 *channels n n"], *, pseudoscalar: bool = False
) -> Float[Array, "*channels n n"]:
    """The mean of what `turned_copies` made, each turned back."""
    pairs = zip(copies, SQUARE_SYMMETRIES, strict=True)
    return jnp.mean(
        jnp.stack([_sign(g, pseudoscalar) * turned_back(copy, g) for copy, g in pairs]), axis=0
    )


def _sign(symmetry: Symmetry, pseudoscalar: bool) -> float:
    return -1.0 if pseudoscalar and is_reflection(symmetry) else 1.0

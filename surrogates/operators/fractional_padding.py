"""Zeros beyond the upper sides, which take up the jumps of functions that are not periodic."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float


def pad(
    fields: Float[Array, "channels *space"], fractions: Sequence[float]
) -> Float[Array, "channels *padded"]:
    """The fields followed along each axis by zeros for this fraction of its points.

    A fraction, unlike a number of points, makes the same larger domain on every grid, up to the
    rounding to whole points.
    """
    sizes = fields.shape[1:]
    widths = [(0, round(f * size)) for f, size in zip(fractions, sizes, strict=True)]
    return jnp.pad(fields, [(0, 0), *widths])


def crop(
    fields: Float[Array, "channels *padded"], sizes: Sequence[int]
) -> Float[Array, "channels *space"]:
    """The first points of each axis."""
    return fields[(slice(None), *(slice(size) for size in sizes))]

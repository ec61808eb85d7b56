"""Convolutions between a grid and a coarser one, with the channels last.

They are written as convolutions of pairs of points with stride one: XLA needs up to sixty times
as long on CPUs for the derivative of a transposed convolution with respect to its kernel.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..convolve import convolve


def gather(
    field: Float[Array, "*points in_channels"],
    kernel: Float[Array, "*taps in_channels out_channels"],
) -> Float[Array, "*coarser out_channels"]:
    """The correlation with four taps an axis and stride two.

    Output `i` is the sum of `kernel[t]` times the point `2 i + t`. An axis must have an even
    number `n` of points and gives `n // 2 - 1` outputs.
    """
    rank = field.ndim - 1
    pairs = field.reshape(*_split(field.shape[:-1]), field.shape[-1])
    pairs = pairs.transpose(*_alternating(rank), 2 * rank)
    pairs = pairs.reshape(*(size // 2 for size in field.shape[:-1]), -1)
    *_, in_channels, out_channels = kernel.shape
    blocks = kernel.reshape(*_split(kernel.shape[:-2]), in_channels, out_channels)
    blocks = blocks.transpose(*_alternating(rank), 2 * rank, 2 * rank + 1)
    return convolve(pairs, blocks.reshape(*(2,) * rank, -1, out_channels))


def spread(
    field: Float[Array, "*points in_channels"],
    kernel: Float[Array, "*taps in_channels out_channels"],
) -> Float[Array, "*finer out_channels"]:
    """The transposed convolution with four taps an axis and stride two.

    Point `i` adds `kernel[t]` times its value to the output `2 i + t - 2`. An axis of `n` points
    gives `2 (n - 1)` outputs, those at which two points meet.
    """
    rank = field.ndim - 1
    *_, in_channels, out_channels = kernel.shape
    # Taps 2 and 3 of the lower point and 0 and 1 of the upper one make the two outputs between
    # them.
    blocks = kernel.reshape(*_split(kernel.shape[:-2]), in_channels, out_channels)
    blocks = jnp.flip(blocks, range(0, 2 * rank, 2))
    points, parities = _alternating(rank)[:rank], _alternating(rank)[rank:]
    blocks = blocks.transpose(*points, 2 * rank, *parities, 2 * rank + 1)
    pairs = convolve(field, blocks.reshape(*(2,) * rank, in_channels, -1))
    coarse = pairs.shape[:-1]
    pairs = pairs.reshape(*coarse, *(2,) * rank, out_channels)
    pairs = pairs.transpose(*np.ravel(np.arange(2 * rank).reshape(2, rank).T), 2 * rank)
    return pairs.reshape(*(2 * size for size in coarse), out_channels)


def _split(sizes: tuple[int, ...]) -> list[int]:
    """Each axis as one of pairs and one of two."""
    return [length for size in sizes for length in (size // 2, 2)]


def _alternating(rank: int) -> list[int]:
    """The axes of pairs, and then those of two."""
    return [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)]

"""Affine convolutions that know the field beyond the sides, with the channels last.

Points are the centres of cells, half a spacing from the sides.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..convolve import convolve
from .boundary import Sides, extend
from .check_fields import check_sizes
from .strided_convolution import gather, spread


class ConvolutionLayer(eqx.Module):
    """Three taps an axis, on one grid."""

    kernel: Float[Array, "*taps in_channels out_channels"]
    bias: Float[Array, " out_channels"]
    sides: tuple[Sides, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sides: Sequence[Sides],
        gain: float = 2**0.5,
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: at least 1.
        - `sides`: the boundary conditions of each axis.
        - `gain`: the kernel is drawn uniformly such that the standard deviation of a sum of
            independent inputs is `gain` times theirs.
        """
        self.kernel = _kernel(3, 3, in_channels, out_channels, len(sides), gain, key)
        self.bias = jnp.zeros(out_channels)
        self.sides = tuple(sides)

    def __call__(
        self, field: Float[Array, "*space in_channels"]
    ) -> Float[Array, "*space out_channels"]:
        widths = [(1, 1)] * len(self.sides)
        return _add(convolve(extend(field, widths, self.sides, "cells"), self.kernel), self.bias)


class CoarseningLayer(eqx.Module):
    """Four taps an axis, to the grid that joins the cells in pairs.

    Of an odd number of cells the last pair reaches over the side.
    """

    kernel: Float[Array, "*taps in_channels out_channels"]
    bias: Float[Array, " out_channels"]
    sides: tuple[Sides, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sides: Sequence[Sides],
        gain: float = 2**0.5,
        *,
        key: Key[Array, ""],
    ):
        """The arguments are those of `ConvolutionLayer`."""
        self.kernel = _kernel(4, 4, in_channels, out_channels, len(sides), gain, key)
        self.bias = jnp.zeros(out_channels)
        self.sides = tuple(sides)

    def __call__(
        self, field: Float[Array, "*space in_channels"]
    ) -> Float[Array, "*coarser out_channels"]:
        widths = [(1, 1 + size % 2) for size in field.shape[:-1]]
        return _add(gather(extend(field, widths, self.sides, "cells"), self.kernel), self.bias)


class RefiningLayer(eqx.Module):
    """Four taps an axis, transposed: from the grid of pairs back to that of the cells."""

    kernel: Float[Array, "*taps in_channels out_channels"]
    bias: Float[Array, " out_channels"]
    sides: tuple[Sides, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sides: Sequence[Sides],
        gain: float = 1.0,
        *,
        key: Key[Array, ""],
    ):
        """The arguments are those of `ConvolutionLayer`."""
        # Two of the four taps an axis meet at each output.
        self.kernel = _kernel(4, 2, in_channels, out_channels, len(sides), gain, key)
        self.bias = jnp.zeros(out_channels)
        self.sides = tuple(sides)

    def __call__(
        self, field: Float[Array, "*coarser in_channels"], sizes: Sequence[int]
    ) -> Float[Array, "*space out_channels"]:
        """The field on the finer grid with `sizes` cells along each axis."""
        widths = [(1, 1)] * len(self.sides)
        finer = spread(extend(field, widths, self.sides, "cells"), self.kernel)
        return _add(finer[tuple(slice(1, 1 + size) for size in sizes)], self.bias)


def _kernel(
    taps: int,
    meeting: int,
    in_channels: int,
    out_channels: int,
    rank: int,
    gain: float,
    key: Key[Array, ""],
) -> Array:
    check_sizes(in_channels=in_channels, out_channels=out_channels)
    limit = gain * (3 / (in_channels * meeting**rank)) ** 0.5
    shape = (*(taps,) * rank, in_channels, out_channels)
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit)


def _add(field: Array, bias: Array) -> Array:
    return field + jnp.broadcast_to(bias, field.shape)

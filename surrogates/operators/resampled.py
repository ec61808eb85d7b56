from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError, GridMismatchError

from .boundary import PERIODIC, BoundaryLike, Sides, boundary_sides, extend
from .check_fields import check_fields
from .operator import AbstractOperator

Coarsening = Literal["means", "sub-grids"]

_EXACT = lax.Precision.HIGHEST


class Resampled(AbstractOperator):
    """An operator that is always evaluated on one grid, whichever grid the fields are on.

    That grid is the one that it was trained on. From a finer grid the inputs come to it as the
    means over its cells, or as every sub-grid of the finer grid in turn, of whose results the mean
    counts; from a coarser one by linear interpolation. None of them overshoots at jumps, and the
    sub-grids keep the values: a coefficient with two values has these two on them, too. What the
    operator returns goes back by cubic interpolation (Keys 1981, IEEE Trans. Acoust. Speech Signal
    Process. 29, 1153), across the sides as `boundary` has it: of third order, and of second beside
    a side where a field is zero but its second derivative is not. Points are the centres of cells,
    on both grids. Nothing that is finer than the grid of the operator comes back: it is the
    baseline for operators that claim to see it.
    """

    operator: AbstractOperator
    shape: tuple[int, ...] = eqx.field(static=True)
    boundary: tuple[Sides, ...] = eqx.field(static=True)
    coarsening: Coarsening = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(
        self,
        operator: AbstractOperator,
        shape: Sequence[int],
        boundary: BoundaryLike = "neumann",
        coarsening: Coarsening = "means",
    ):
        """**Arguments:**

        - `operator`: evaluated on the grid with this
        - `shape`: the number of cells of each axis.
        - `boundary`: of what the operator returns, as for `boundary_sides`: `"dirichlet"` keeps
            the interpolation accurate where a field is zero on the side. Of the inputs it counts
            only which axes are periodic. Fields that are normalised are no longer zero on a
            side: wrap a whole `FieldSurrogate`, not the operator in it.
        - `coarsening`: `"means"`, or `"sub-grids"` for inputs that jump: as many evaluations as
            the grids have points more than the operator's, of which they must be multiples.
        """
        shape = tuple(shape)
        if not shape or min(shape) < 1:
            raise ClosuraxError(f"`shape` is {shape}; give the number of cells of each axis.")
        if coarsening not in ("means", "sub-grids"):
            raise ClosuraxError(f"`coarsening` is {coarsening!r}; give 'means' or 'sub-grids'.")
        self.operator, self.shape, self.coarsening = operator, shape, coarsening
        self.boundary = boundary_sides(boundary, len(shape))
        self.in_channels, self.out_channels = operator.in_channels, operator.out_channels

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Raises `GridMismatchError` for another number of channels or axes, or sub-grids that
        are not of the operator's size.
        """
        check_fields(fields, self, self.in_channels, len(self.shape))
        sizes = fields.shape[1:]
        if self.coarsening == "sub-grids":
            results = jax.vmap(self.operator)(_sub_grids(fields, self.shape))
            return _interpolate(jnp.mean(results, axis=0), sizes, self.boundary, "cubic")
        # Inputs may jump, and need not be zero where the outputs are.
        input_sides = [
            sides if sides[0] == PERIODIC else ("neumann", "neumann") for sides in self.boundary
        ]
        joined = tuple(min(pair) for pair in zip(sizes, self.shape, strict=True))
        inputs = _interpolate(_cell_means(fields, joined), self.shape, input_sides, "linear")
        return _interpolate(self.operator(inputs), sizes, self.boundary, "cubic")


def _sub_grids(
    fields: Float[Array, "channels *space"], shape: Sequence[int]
) -> Float[Array, "sub_grid channels *coarse"]:
    """Every so many points of each axis, from each of the first ones on."""
    sizes = fields.shape[1:]
    if any(size % coarse for size, coarse in zip(sizes, shape, strict=True)):
        raise GridMismatchError(
            f"A grid of {sizes} points has no sub-grids of {tuple(shape)} points: give multiples "
            "of them, or take `coarsening='means'`."
        )
    pairs = [(coarse, size // coarse) for size, coarse in zip(sizes, shape, strict=True)]
    split = fields.reshape(-1, *(number for pair in pairs for number in pair))
    offsets = tuple(range(2, split.ndim, 2))
    sub_grids = jnp.moveaxis(split, offsets, tuple(range(len(offsets))))
    return sub_grids.reshape(-1, fields.shape[0], *shape)


def _cell_means(fields: Array, sizes: Sequence[int]) -> Array:
    """The means over larger cells, each cell weighted by what lies inside the larger one."""
    for axis, size in enumerate(sizes, start=1):
        finer = fields.shape[axis]
        if size == finer:
            continue
        if finer % size == 0:
            shape = (*fields.shape[:axis], size, finer // size, *fields.shape[axis + 1 :])
            fields = jnp.mean(fields.reshape(shape), axis=axis + 1)
            continue
        edges = np.arange(finer + 1) * (size / finer)
        larger = np.arange(size)[:, None]
        weights = np.diff(np.clip(edges[None], larger, larger + 1), axis=1)
        means = jnp.tensordot(
            jnp.asarray(weights, fields.dtype), fields, axes=(1, axis), precision=_EXACT
        )
        fields = jnp.moveaxis(means, 0, axis)
    return fields


def _interpolate(fields: Array, sizes: Sequence[int], sides: Sequence[Sides], method: str) -> Array:
    coarser = fields.shape[1:]
    if tuple(sizes) == coarser:
        return fields
    # The cubic kernel reaches two points far, and no further beyond a side.
    extended = extend(jnp.moveaxis(fields, 0, -1), [(2, 2)] * len(sizes), sides, "cells")
    scale = np.asarray(sizes) / np.asarray(coarser)
    interpolated = jax.image.scale_and_translate(
        extended,
        (*sizes, extended.shape[-1]),
        tuple(range(len(sizes))),
        jnp.asarray(scale, fields.dtype),
        jnp.asarray(-2 * scale, fields.dtype),
        method,
        antialias=False,
    )
    return jnp.moveaxis(interpolated, -1, 0)

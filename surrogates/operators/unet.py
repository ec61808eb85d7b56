import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import GridMismatchError

from .boundary import BoundaryLike, Sides, boundary_sides
from .check_fields import check_fields, check_sizes
from .convolution_layer import CoarseningLayer, ConvolutionLayer, RefiningLayer
from .operator import AbstractOperator
from .pointwise_layer import PointwiseLayer


class UNet(AbstractOperator):
    """A convolutional network over several grids, each with half the points of the finer one.

    On each grid there are convolutions of three taps an axis with the exact GELU. Learned
    convolutions of stride two lead down with twice the channels, and back up, where the finer
    features join (Ronneberger, Fischer and Brox 2015, arXiv 1505.04597). Unlike there, every
    convolution keeps its grid, with the field beyond the sides given by `boundary`; so grids of
    every size pass through. Points lie half a spacing from the sides.

    With all axes periodic it commutes with shifts by `2**(levels - 1)` points on grids that are
    multiples of this.
    """

    down: tuple[tuple[ConvolutionLayer, ...], ...]
    coarsen: tuple[CoarseningLayer, ...]
    refine: tuple[RefiningLayer, ...]
    up: tuple[tuple[ConvolutionLayer, ...], ...]
    head: PointwiseLayer
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    convolutions: int = eqx.field(static=True)
    boundary: tuple[Sides, ...] = eqx.field(static=True)
    dimensions: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 16,
        levels: int = 5,
        *,
        convolutions: int = 2,
        boundary: BoundaryLike = "dirichlet",
        dimensions: int = 2,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: of the fields.
        - `width`: channels on the finest grid.
        - `levels`: number of grids.
        - `convolutions`: on each grid, on the way down and again on the way up.
        - `boundary`: as for `boundary_sides`.
        - `dimensions`: how many axes there are.
        """
        check_sizes(width=width, levels=levels, convolutions=convolutions, dimensions=dimensions)
        sides = boundary_sides(boundary, dimensions)
        widths = [width * 2**level for level in range(levels)]
        keys = iter(jax.random.split(key, 2 * levels * convolutions + 2 * levels + 1))

        def block(channels: int, inner: int) -> tuple[ConvolutionLayer, ...]:
            channels_in = (channels, *(convolutions - 1) * (inner,))
            return tuple(ConvolutionLayer(c, inner, sides, key=next(keys)) for c in channels_in)

        channels = (in_channels, *widths[1:])
        self.down = tuple(block(*pair) for pair in zip(channels, widths, strict=True))
        finer = list(zip(widths[:-1], widths[1:], strict=True))
        self.coarsen = tuple(
            CoarseningLayer(fine, coarse, sides, key=next(keys)) for fine, coarse in finer
        )
        self.refine = tuple(
            RefiningLayer(coarse, fine, sides, key=next(keys)) for fine, coarse in finer
        )
        self.up = tuple(block(2 * fine, fine) for fine, _ in finer)
        self.head = PointwiseLayer(width, out_channels, key=next(keys))
        self.in_channels, self.out_channels = in_channels, out_channels
        self.width, self.levels, self.convolutions = width, levels, convolutions
        self.boundary, self.dimensions = sides, dimensions

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Raises `GridMismatchError` for another number of channels or axes, or if the grid has
        too few points for the levels.
        """
        check_fields(fields, self, self.in_channels, self.dimensions)
        needed = 2 ** (self.levels - 2) + 1 if self.levels > 1 else 1
        if min(fields.shape[1:]) < needed:
            raise GridMismatchError(
                f"A UNet of {self.levels} levels needs at least {needed} points along every "
                f"axis; the grid is {fields.shape[1:]}: take fewer levels or a finer grid."
            )
        hidden = jnp.moveaxis(fields, 0, -1)
        features = []
        for level, layers in enumerate(self.down):
            hidden = _activated(layers, hidden)
            if level < self.levels - 1:
                features.append(hidden)
                hidden = _activated(self.coarsen[level : level + 1], hidden)
        for level in reversed(range(self.levels - 1)):
            refined = self.refine[level](hidden, features[level].shape[:-1])
            hidden = jnp.concatenate([features[level], refined], axis=-1)
            hidden = _activated(self.up[level], hidden)
        return self.head(jnp.moveaxis(hidden, -1, 0))


def _activated(layers: tuple[ConvolutionLayer | CoarseningLayer, ...], hidden: Array) -> Array:
    for layer in layers:
        hidden = jax.nn.gelu(layer(hidden), approximate=False)
    return hidden

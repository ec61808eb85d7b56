from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError, GridMismatchError

from .boundary import BoundaryLike, Sides, boundary_sides
from .check_fields import check_fields, check_sizes
from .convolution_layer import CoarseningLayer
from .coordinates import check_layout, unit_coordinates
from .operator import AbstractOperator
from .pointwise_layer import PointwiseLayer


class DeepONet(AbstractOperator):
    r"""A deep operator network: functions of the points, weighted by functions of the inputs.

    $$u_o(\mathbf{x}) = \sum_{k=1}^p B_{ok}(a)\, T_k(\mathbf{x}) + b_o$$

    with a branch network $B$ of the inputs at fixed sensors and a trunk network $T$ of the
    coordinates in $[0, 1]^d$ (Lu et al. 2021, Nat. Mach. Intell. 3, 218, arXiv 1910.03193).
    The sensors are the points of the grid that it is built for, the only one that it can take.
    The branch halves that grid by convolutions before a dense layer, the trunk is a perceptron;
    both use the exact GELU. All channels of the output share the trunk.
    """

    convolutions: tuple[CoarseningLayer, ...]
    branch: tuple[PointwiseLayer, PointwiseLayer]
    trunk: tuple[PointwiseLayer, ...]
    bias: Float[Array, " out_channels"]
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    basis: int = eqx.field(static=True)
    halvings: int = eqx.field(static=True)
    boundary: tuple[Sides, ...] = eqx.field(static=True)
    layout: str = eqx.field(static=True)

    def __init__(
        self,
        shape: Sequence[int],
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 64,
        depth: int = 4,
        *,
        basis: int = 128,
        halvings: int = 4,
        boundary: BoundaryLike = "neumann",
        layout: str = "cells",
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `shape`: of the grid of the sensors, in one to three dimensions.
        - `in_channels`, `out_channels`: of the fields.
        - `width`: channels of the convolutions in the branch.
        - `depth`: number of layers of the trunk.
        - `basis`: the number $p$ of functions, and the width of the dense layers.
        - `halvings`: number of convolutions, of stride two.
        - `boundary`: what the inputs are beyond the sides, as for `boundary_sides`.
        - `layout`: where the points lie, as for `WithCoordinates`.
        """
        shape = tuple(shape)
        check_layout(layout)
        check_sizes(width=width, depth=depth, basis=basis)
        if len(shape) not in (1, 2, 3) or min(shape) < 1 or halvings < 0:
            raise ClosuraxError(
                f"`shape` = {shape} and `halvings` = {halvings}: give the sizes of one to three "
                "axes, and how often to halve them."
            )
        sides = boundary_sides(boundary, len(shape))
        keys = iter(jax.random.split(key, halvings + depth + 2))
        channels = (in_channels, *halvings * (width,))
        self.convolutions = tuple(
            CoarseningLayer(c, width, sides, key=next(keys)) for c in channels[:-1]
        )
        flat = channels[-1]
        for size in shape:
            flat *= -(-size // 2**halvings)
        gain = 2**0.5
        self.branch = (
            PointwiseLayer(flat, basis, gain, key=next(keys)),
            # So that the sum over the basis starts with a variance of one.
            PointwiseLayer(basis, out_channels * basis, basis**-0.5, key=next(keys)),
        )
        trunk_channels = (len(shape), *(depth - 1) * (basis,))
        self.trunk = tuple(PointwiseLayer(c, basis, gain, key=next(keys)) for c in trunk_channels)
        self.bias = jnp.zeros(out_channels)
        self.in_channels, self.out_channels, self.shape = in_channels, out_channels, shape
        self.width, self.depth, self.basis, self.halvings = width, depth, basis, halvings
        self.boundary, self.layout = sides, layout

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Raises `GridMismatchError` for another number of channels, or another grid than that
        of the sensors.
        """
        check_fields(fields, self, self.in_channels, len(self.shape))
        if fields.shape[1:] != self.shape:
            raise GridMismatchError(
                f"This DeepONet has its sensors on a {self.shape} grid, but the fields are on a "
                f"{fields.shape[1:]} one; wrap it in `Resampled`, or build one for that grid."
            )
        hidden = jnp.moveaxis(fields, 0, -1)
        for convolution in self.convolutions:
            hidden = jax.nn.gelu(convolution(hidden), approximate=False)
        first, second = self.branch
        weights = second(jax.nn.gelu(first(hidden.reshape(-1)), approximate=False))
        functions = unit_coordinates(self.shape, self.layout, fields.dtype)
        for layer in self.trunk:
            functions = jax.nn.gelu(layer(functions), approximate=False)
        combined = jnp.tensordot(weights.reshape(self.out_channels, -1), functions, axes=1)
        return combined + self.bias.reshape(-1, *(1,) * len(self.shape))

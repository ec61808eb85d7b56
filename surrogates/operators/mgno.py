from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from .boundary import BoundaryLike, Sides
from .operator import AbstractOperator
from .v_cycle import Layout, Restricted, VCycle


class MgNO(AbstractOperator):
    r"""The multigrid neural operator: layers whose linear map is a learned V-cycle.

    $$v^k = \sigma(W^k v^{k-1} + L^k v^{k-1} + b^k), \qquad u = Q v^D,$$

    with a `VCycle` $W^k$, a map between channels $L^k$, a bias $b^k$ of each channel, and $\sigma$
    the exact GELU (He, Liu and Xu 2024, arXiv 2310.19809, equations 1 and 5). There is no lifting
    before and no network after the layers.
    """

    cycles: tuple[VCycle, ...]
    pointwise: tuple[Float[Array, "channels width"], ...]
    biases: tuple[Float[Array, "*space width"], ...]
    head: Float[Array, "width out_channels"]
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    before: tuple[int, ...] = eqx.field(static=True)
    after: tuple[int, ...] = eqx.field(static=True)
    boundary: tuple[Sides, ...] = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    restricted: Restricted = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
    bias_shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 24,
        depth: int = 5,
        *,
        before: Sequence[int] = (1, 1, 1, 1, 1, 2),
        after: Sequence[int] = (),
        boundary: BoundaryLike = "dirichlet",
        dimensions: int = 2,
        layout: Layout = "cells",
        restricted: Restricted = "right-hand side",
        shared: bool = False,
        bias_shape: Sequence[int] = (),
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: of the fields.
        - `width`: channels between the layers.
        - `depth`: number of layers.
        - `before`, `after`, `boundary`, `dimensions`, `layout`, `restricted`, `shared`: of the
            V-cycles.
        - `bias_shape`: the shape of the grid for biases that are functions, as in the paper,
            which tie the operator to this grid; by default a scalar of each channel, as in the
            released code.
        """
        if width < 1 or depth < 1:
            raise ClosuraxError(f"`width` and `depth` must be at least 1, not {width}, {depth}.")
        channels = (in_channels, *(depth * (width,)))
        cycle_key, pointwise_key, head_key = jax.random.split(key, 3)
        self.cycles = tuple(
            VCycle(
                channels[layer], width, before=before, after=after, boundary=boundary,
                dimensions=dimensions, layout=layout, restricted=restricted, shared=shared,
                key=layer_key,
            )
            for layer, layer_key in enumerate(jax.random.split(cycle_key, depth))
        )  # fmt: skip
        self.pointwise = tuple(
            _matrix(channels[layer], width, layer_key)
            for layer, layer_key in enumerate(jax.random.split(pointwise_key, depth))
        )
        self.biases = tuple(jnp.zeros((*bias_shape, width)) for _ in range(depth))
        self.head = _matrix(width, out_channels, head_key)
        first = self.cycles[0]
        self.in_channels, self.out_channels = in_channels, out_channels
        self.width, self.depth = width, depth
        self.before, self.after, self.boundary = first.before, first.after, first.boundary
        self.layout, self.restricted, self.shared = layout, restricted, shared
        self.bias_shape = tuple(bias_shape)

    @property
    def dimensions(self) -> int:
        """How many axes there are."""
        return len(self.boundary)

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        hidden = jnp.moveaxis(fields, 0, -1)
        for cycle, pointwise, bias in zip(self.cycles, self.pointwise, self.biases, strict=True):
            linear = cycle(hidden) + hidden @ pointwise
            hidden = jax.nn.gelu(linear + jnp.broadcast_to(bias, linear.shape), approximate=False)
        return jnp.moveaxis(hidden @ self.head, -1, 0)


def _matrix(in_channels: int, out_channels: int, key: Key[Array, ""]) -> Array:
    limit = in_channels**-0.5
    return jax.random.uniform(key, (in_channels, out_channels), minval=-limit, maxval=limit)

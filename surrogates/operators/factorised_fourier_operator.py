from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from .check_fields import check_fields, check_sizes
from .fractional_padding import crop, pad
from .operator import AbstractOperator
from .per_axis import per_axis
from .pointwise_layer import PointwiseLayer
from .spectral_convolution import SpectralConvolution


class FactorisedFNO(AbstractOperator):
    r"""The factorised Fourier neural operator.

    $$v^0 = P a, \qquad v^k = v^{k-1} + W_2^k\, \sigma\Big(W_1^k \sum_d K_d^k v^{k-1} + b_1^k\Big)
    + b_2^k, \qquad u = Q v^D$$

    with a `SpectralConvolution` $K_d^k$ along each axis on its own, affine maps between channels
    $P$, $W^k$ and $Q$, and $\sigma$ the ReLU (Tran, Mathews, Xie and Ong 2023, arXiv
    2111.13802, equations 4 to 9; as in the code released with it there is no activation after
    $W_2^k$). Its parameters grow with the number of modes of one axis, not of all axes
    together.
    """

    lift: PointwiseLayer
    spectral: tuple[tuple[SpectralConvolution, ...], ...]
    feed_forward: tuple[tuple[PointwiseLayer, PointwiseLayer], ...]
    project: PointwiseLayer
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    padding: tuple[float, ...] = eqx.field(static=True)
    expansion: int = eqx.field(static=True)
    dimensions: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 64,
        depth: int = 4,
        *,
        modes: int | Sequence[int] = 16,
        padding: float | Sequence[float] = 0.0,
        expansion: int = 4,
        dimensions: int = 2,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: of the fields.
        - `width`: channels of the layers.
        - `depth`: number of layers.
        - `modes`: of all axes or of each. Grids may resolve fewer: see `SpectralConvolution`.
        - `padding`: fraction of the domain by which zeros extend all axes or each, for functions
            that are not periodic.
        - `expansion`: how many times `width` channels are between the two maps of a layer.
        - `dimensions`: how many axes there are.
        """
        check_sizes(width=width, depth=depth, expansion=expansion)
        self.modes = per_axis(modes, dimensions, "modes", 1)
        self.padding = per_axis(padding, dimensions, "padding", 0.0)
        lift_key, project_key, *layer_keys = jax.random.split(key, depth + 2)
        self.lift = PointwiseLayer(in_channels, width, key=lift_key)
        self.project = PointwiseLayer(width, out_channels, key=project_key)
        spectral, feed_forward = [], []
        for layer_key in layer_keys:
            first_key, second_key, *axis_keys = jax.random.split(layer_key, dimensions + 2)
            spectral.append(
                tuple(
                    SpectralConvolution(width, width, (m,), (2 * width * m) ** -0.5, key=axis_key)
                    for m, axis_key in zip(self.modes, axis_keys, strict=True)
                )
            )
            hidden = expansion * width
            feed_forward.append(
                (
                    PointwiseLayer(width, hidden, 2**0.5, key=first_key),
                    PointwiseLayer(hidden, width, key=second_key),
                )
            )
        self.spectral, self.feed_forward = tuple(spectral), tuple(feed_forward)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.width, self.depth, self.expansion = width, depth, expansion
        self.dimensions = dimensions

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Raises `GridMismatchError` for another number of channels or axes."""
        check_fields(fields, self, self.in_channels, self.dimensions)
        hidden = pad(self.lift(fields), self.padding)
        for spectral, (first, second) in zip(self.spectral, self.feed_forward, strict=True):
            total = jnp.zeros_like(hidden)
            for axis, convolution in enumerate(spectral, start=1):
                total = total + _along(axis, convolution, hidden)
            hidden = hidden + second(jax.nn.relu(first(total)))
        return self.project(crop(hidden, fields.shape[1:]))


def _along(axis: int, convolution: SpectralConvolution, fields: Array) -> Array:
    """The convolution of all lines along one axis."""
    lines = jnp.moveaxis(fields, axis, -1)
    flat = lines.reshape(lines.shape[0], -1, lines.shape[-1])
    convolved = jax.vmap(convolution, in_axes=1, out_axes=1)(flat)
    return jnp.moveaxis(convolved.reshape(-1, *lines.shape[1:]), -1, axis)

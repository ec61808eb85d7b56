from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from .check_fields import check_fields, check_sizes
from .fractional_padding import crop, pad
from .operator import AbstractOperator
from .per_axis import per_axis
from .pointwise_layer import PointwiseLayer
from .spectral_convolution import SpectralConvolution


class FNO(AbstractOperator):
    r"""The Fourier neural operator.

    $$v^0 = P a, \qquad v^k = \sigma(K^k v^{k-1} + W^k v^{k-1} + b^k), \qquad
    u = Q_2\, \sigma(Q_1 v^D)$$

    with a `SpectralConvolution` $K^k$, affine maps between channels $P$, $W^k$ and $Q$, and
    $\sigma$ the exact GELU, left out of the last layer (Li et al. 2021, arXiv 2010.08895,
    equation 2). Without padding it commutes with shifts of a periodic grid. The coordinates of
    the points, which the paper has among the inputs, come from `WithCoordinates`.
    """

    lift: PointwiseLayer
    spectral: tuple[SpectralConvolution, ...]
    pointwise: tuple[PointwiseLayer, ...]
    project: tuple[PointwiseLayer, PointwiseLayer]
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    modes: tuple[int, ...] = eqx.field(static=True)
    padding: tuple[float, ...] = eqx.field(static=True)
    projection: int = eqx.field(static=True)
    dimensions: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 32,
        depth: int = 4,
        *,
        modes: int | Sequence[int] = 12,
        padding: float | Sequence[float] = 0.0,
        projection: int = 128,
        dimensions: int = 2,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: of the fields.
        - `width`: channels of the layers.
        - `depth`: number of layers.
        - `modes`: of all axes or of each; of both signs but along the last axis, where real
            fields need one. Grids may resolve fewer: see `SpectralConvolution`.
        - `padding`: fraction of the domain by which zeros extend all axes or each, for functions
            that are not periodic.
        - `projection`: channels between the two maps at the end.
        - `dimensions`: how many axes there are.
        """
        check_sizes(width=width, depth=depth, projection=projection)
        self.modes = per_axis(modes, dimensions, "modes", 1)
        self.padding = per_axis(padding, dimensions, "padding", 0.0)
        keys = jax.random.split(key, 2 * depth + 3)
        self.lift = PointwiseLayer(in_channels, width, key=keys[0])
        # At first the spectral part is small beside the pointwise one, as in the released code.
        deviation = 3**-0.5 / width**2
        self.spectral = tuple(
            SpectralConvolution(width, width, self.modes, deviation, key=layer_key)
            for layer_key in keys[3 : depth + 3]
        )
        self.pointwise = tuple(
            PointwiseLayer(width, width, key=layer_key) for layer_key in keys[depth + 3 :]
        )
        self.project = (
            PointwiseLayer(width, projection, key=keys[1]),
            PointwiseLayer(projection, out_channels, key=keys[2]),
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.width, self.depth, self.projection = width, depth, projection
        self.dimensions = dimensions

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Raises `GridMismatchError` for another number of channels or axes."""
        check_fields(fields, self, self.in_channels, self.dimensions)
        hidden = pad(self.lift(fields), self.padding)
        layers = zip(self.spectral, self.pointwise, strict=True)
        for layer, (spectral, pointwise) in enumerate(layers, start=1):
            hidden = spectral(hidden) + pointwise(hidden)
            if layer < self.depth:
                hidden = jax.nn.gelu(hidden, approximate=False)
        first, second = self.project
        hidden = crop(hidden, fields.shape[1:])
        return second(jax.nn.gelu(first(hidden), approximate=False))

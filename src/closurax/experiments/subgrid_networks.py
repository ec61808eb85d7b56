"""The networks that the experiment `subgrid-turbulence` can train."""

import jax
import numpy as np
import xarray as xr

from closurax import datasets
from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.surrogates import ConvolutionalClosure, SymmetrisedClosure
from closurax.surrogates.operators import FieldSurrogate, MgNO, OperatorClosure

from .subgrid_turbulence_settings import Surrogate

_READ = {
    "vorticity": Quantity("vorticity", "s-1"),
    "streamfunction": Quantity("streamfunction", "m2 s-1"),
}
_RETURNED = Quantity("vorticity_tendency", "s-2")
_SMALLEST_COARSE_GRID = 4


def untrained_network(
    surrogate: Surrogate, train: xr.Dataset, seed: int
) -> AbstractMemorylessScheme:
    """A network whose normalisers are those of the fields that it will be trained on.

    **Arguments:**

    - `train`: with the fields that the network reads and `subgrid_tendency`.
    - `seed`: of the initial parameters.
    """
    fields = np.stack([train[name].values for name in surrogate.inputs], 1)
    target = train["subgrid_tendency"].values[:, None]
    normalisers = {
        "input_normaliser": datasets.Standardiser.fit(fields, names=surrogate.inputs),
        "output_normaliser": datasets.Standardiser.fit(target, names=["subgrid_tendency"]),
    }
    key = jax.random.key(seed)
    match surrogate.network:
        case "convolutional":
            network: AbstractMemorylessScheme = ConvolutionalClosure(
                surrogate.width,
                surrogate.depth,
                surrogate.kernel_size,
                activation=surrogate.activation,
                inputs=tuple(surrogate.inputs),
                **normalisers,
                key=key,
            )
        case "mgno":
            operator = MgNO(
                len(surrogate.inputs),
                1,
                surrogate.width,
                surrogate.depth,
                before=(1,) * _levels(target.shape[-1]),
                boundary="periodic",
                key=key,
            )
            network = OperatorClosure(
                FieldSurrogate(
                    operator,
                    [_READ[name] for name in surrogate.inputs],
                    [_RETURNED],
                    **normalisers,
                )
            )
    return SymmetrisedClosure(network) if surrogate.symmetrised else network


def _levels(points: int) -> int:
    """As many as halve the grid evenly, down to a few points."""
    levels = 1
    while points % 2 == 0 and points // 2 >= _SMALLEST_COARSE_GRID:
        points, levels = points // 2, levels + 1
    return levels

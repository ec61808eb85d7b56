"""C for the network of a convection scheme."""

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool

from closurax.physics.column.convection import TENDENCIES

from ..columns import AbstractColumnNetwork, DenseNetwork, LevelwiseNetwork
from ..columns.features import AbstractColumnFeatures
from .c_features import constant_features, constant_value
from .c_literals import float_array, integer_array, matrix
from .c_part import c_part
from .c_trunk import trunk_source
from .native_text import native_text


def network_source(network: AbstractColumnNetwork, features: AbstractColumnFeatures) -> str:
    """Defines `predict`, and in which rows of its result what is.

    Raises `ClosuraxError` if there is no C for a network of this class.
    """
    emit = c_part(_SOURCES, network, "networks")
    return _rows(features.levels) + emit(network, features)


def block_columns(network: AbstractColumnNetwork) -> int:
    """How many columns the network takes at once, a multiple of 16.

    The more, the less often weights are read; but the hidden variables on all levels of a block
    should stay in the cache.
    """
    return 16 if isinstance(network, LevelwiseNetwork) else 32


def stack_kilobytes(network: AbstractColumnNetwork, features: AbstractColumnFeatures) -> int:
    """No call needs more stack than this."""
    levels = features.levels
    known = levels * (features.channels + len(TENDENCIES) + 2) + features.scalars
    if isinstance(network, LevelwiseNetwork):
        hidden = (3 * levels + 10) * network.trunk.width
    else:
        hidden = 2 * getattr(network, "width", 0)
    blocks = 4e-3 * block_columns(network) * (known + hidden)
    return 100 * math.ceil(2 + blocks / 100)


def _rows(levels: int) -> str:
    """The order of the predictions of `DenseNetwork`, for all networks."""
    starts = {
        "CLASS": 0, "RAIN": 3, "LIFETIME": 4, "BASE": 5,
        "TOP": 6 + levels, "TENDENCY": 6 + 2 * levels,
    }  # fmt: skip
    return "".join(f"#define ROW_{name} {row}\n" for name, row in starts.items())


def _dense_network(network: DenseNetwork, features: AbstractColumnFeatures) -> str:
    # What is the same in all columns is added to the bias once and for all.
    varies = ~constant_features(features)
    weight = np.asarray(network.entry.weight, float)
    bias = np.asarray(network.entry.bias, float) + weight @ constant_value(features)
    runs = _runs(varies)
    # C has no arrays of length zero.
    layers = network.layers or (network.entry,)
    layer_weights = [matrix(layer.weight) for layer in network.layers] or [np.zeros(1)]
    return (
        f"#define WIDTH {network.width}\n#define LAYERS {len(network.layers)}\n"
        f"#define ENTRY_RUNS {len(runs)}\n#define ACTIVATION {network.activation}_of\n"
        + integer_array("entry_runs", runs)
        + float_array("entry_weight", matrix(weight[:, varies]))
        + float_array("entry_bias", bias)
        + float_array("layer_weight", np.stack(layer_weights))
        + float_array("layer_bias", np.stack([np.asarray(layer.bias) for layer in layers]))
        + float_array("exit_weight", matrix(network.exit.weight))
        + float_array("exit_bias", np.asarray(network.exit.bias))
        + native_text("dense_network.c")
    )


def _levelwise_network(network: LevelwiseNetwork, features: AbstractColumnFeatures) -> str:
    on_level = (network.level_head, network.attention)
    level_weight = np.concatenate([np.asarray(layer.weight) for layer in on_level])
    level_bias = np.concatenate([np.asarray(layer.bias) for layer in on_level])
    return (
        f"#define WIDTH {network.trunk.width}\n"
        + native_text("level_layers.c")
        + trunk_source(network.trunk, features)
        + float_array("level_weight", matrix(level_weight))
        + float_array("level_bias", level_bias)
        + float_array("pool_weight", matrix(network.pooled.weight))
        + float_array("pool_bias", np.asarray(network.pooled.bias))
        + float_array("column_weight", matrix(network.column_head.weight))
        + float_array("column_bias", np.asarray(network.column_head.bias))
        + native_text("levelwise_network.c")
    )


def _runs(kept: Bool[np.ndarray, " feature"]) -> np.ndarray:
    """Pairs (first, number) of the features in a row that are kept."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2]
    return np.stack([starts, ends - starts], axis=1)


_SOURCES: Final[Mapping[type, Callable[..., str]]] = {
    DenseNetwork: _dense_network,
    LevelwiseNetwork: _levelwise_network,
}

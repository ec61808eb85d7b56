"""C for the network of a convection scheme."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from closurax.physics.errors import ClosuraxError

from ..columns import DenseNetwork
from ..columns.column_network import AbstractColumnNetwork
from .c_literals import float_array, integer_array, panels
from .native_text import native_text

_ACTIVATIONS: Final[Mapping[str, str]] = {
    "relu": "return most(x, 0.0f);",
    "silu": "return x * sigmoid_of(x);",
    "gelu": "return 0.5f * x * (1.0f + tanh_of(0.797884561f * (x + 0.044715f * (x * x * x))));",
}


def network_source(
    network: AbstractColumnNetwork,
    levels: int,
    constant: Bool[np.ndarray, " feature"],
    value: Float[np.ndarray, " feature"],
) -> str:
    """Defines `predict`, and in which rows of its result what is.

    **Arguments:**

    - `constant`, `value`: which features are always the same, and what they are then.

    Raises `ClosuraxError` if there is no C for a network of this class.
    """
    emit = _SOURCES.get(type(network))
    if emit is None:
        raise ClosuraxError(
            f"{type(network).__name__} cannot be exported to C; networks that can: "
            f"{', '.join(cls.__name__ for cls in _SOURCES)}."
        )
    return emit(network, levels, constant, value)


def _rows(levels: int) -> str:
    """The order of the predictions of `DenseNetwork`, for all networks."""
    starts = {
        "CLASS": 0, "RAIN": 3, "LIFETIME": 4, "BASE": 5,
        "TOP": 6 + levels, "TENDENCY": 6 + 2 * levels,
    }  # fmt: skip
    return "".join(f"#define ROW_{name} {row}\n" for name, row in starts.items())


def _dense_network(
    network: DenseNetwork,
    levels: int,
    constant: Bool[np.ndarray, " feature"],
    value: Float[np.ndarray, " feature"],
) -> str:
    weight = np.asarray(network.entry.weight, float)
    bias = np.asarray(network.entry.bias, float) + weight @ value
    runs = _runs(~constant)
    layers = network.layers
    # C has no arrays of length zero.
    layer_weights = [panels(layer.weight) for layer in layers] or [np.zeros(1)]
    layer_biases = [np.asarray(layer.bias) for layer in layers] or [np.zeros(1)]
    return (
        f"#define WIDTH {network.width}\n#define LAYERS {len(layers)}\n"
        f"#define ENTRY_RUNS {len(runs)}\n"
        + _rows(levels)
        + integer_array("entry_runs", runs)
        + float_array("entry_weight", panels(weight[:, ~constant]))
        + float_array("entry_bias", bias)
        + float_array("layer_weight", np.stack(layer_weights))
        + float_array("layer_bias", np.stack(layer_biases))
        + float_array("exit_weight", panels(network.exit.weight))
        + float_array("exit_bias", np.asarray(network.exit.bias))
        + f"INLINED float activation(float x) {{ {_ACTIVATIONS[network.activation]} }}\n\n"
        + native_text("dense_network.c")
    )


def _runs(kept: Bool[np.ndarray, " feature"]) -> np.ndarray:
    """Pairs (first, number) of the features in a row that are kept."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2]
    return np.stack([starts, ends - starts], axis=1)


_SOURCES: Final[Mapping[type, Callable]] = {DenseNetwork: _dense_network}

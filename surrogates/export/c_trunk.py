"""C for the trunk of a network over levels."""

from collections.abc import Callable, Mapping
from typing import Final

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..columns import AbstractTrunk, BiLSTM, DiagonalStateSpace, LevelConvolution, LevelMixing
from ..columns.features import AbstractColumnFeatures
from .c_literals import PANEL, float_array, integer_array, matrix, number
from .c_part import c_part
from .native_text import native_text


def trunk_source(trunk: AbstractTrunk, features: AbstractColumnFeatures) -> str:
    """Defines `trunk`.

    Raises `ClosuraxError` if there is no C for a trunk of this class.
    """
    return c_part(_SOURCES, trunk, "trunks")(trunk, features)


def _bidirectional_lstm(trunk: BiLSTM, features: AbstractColumnFeatures) -> str:
    channels, layers = features.channels, trunk.layers
    directions = [(layer.up, layer.down) for layer in layers]
    first = [np.asarray(cell.weight_ih) for cell in directions[0]]
    # C has no arrays of length zero.
    later = [[matrix(cell.weight_ih) for cell in cells] for cells in directions[1:]] or np.zeros(
        (1, 2, 1)
    )
    state = [[matrix(cell.weight_hh) for cell in cells] for cells in directions]
    bias = [[np.asarray(cell.bias) for cell in cells] for cells in directions]
    return (
        f"#define HIDDEN {trunk.hidden}\n#define LAYERS {len(layers)}\n"
        + float_array("profile_weight", np.stack([matrix(w[:, :channels]) for w in first]))
        + float_array("scalar_weight", np.stack([matrix(w[:, channels:]) for w in first]))
        + float_array("input_weight", np.asarray(later))
        + float_array("state_weight", np.asarray(state))
        + float_array("gate_bias", np.asarray(bias))
        + native_text("bidirectional_lstm.c")
    )


def _level_convolution(trunk: LevelConvolution, features: AbstractColumnFeatures) -> str:
    blocks, width = trunk.blocks, trunk.width

    def taps(block) -> Float[np.ndarray, "tap element"]:
        weight = np.asarray(block.convolution.weight).reshape(width, trunk.kernel_size, width)
        return np.stack([matrix(weight[:, tap]) for tap in range(trunk.kernel_size)])

    return (
        _residual_blocks(trunk.entry, features.channels, blocks[0].norm)
        + f"#define BLOCKS {len(blocks)}\n#define TAPS {trunk.kernel_size}\n"
        + integer_array("dilations", np.asarray(trunk.dilations))
        + _norms("norm", [block.norm for block in blocks])
        + float_array("convolution_weight", np.stack([taps(block) for block in blocks]))
        + _vectors("convolution_bias", [block.convolution.bias for block in blocks])
        + _layers("exit", [block.exit for block in blocks])
        + native_text("level_convolution.c")
    )


def _level_mixing(trunk: LevelMixing, features: AbstractColumnFeatures) -> str:
    blocks = trunk.blocks
    return (
        _residual_blocks(trunk.entry, features.channels, blocks[0].level_norm)
        + f"#define BLOCKS {len(blocks)}\n"
        + _norms("level_norm", [block.level_norm for block in blocks])
        + _layers("level_first", [block.levels.first for block in blocks])
        + _layers("level_second", [block.levels.second for block in blocks])
        + _norms("variable_norm", [block.variable_norm for block in blocks])
        + _layers("variable_first", [block.variables.first for block in blocks])
        + _layers("variable_second", [block.variables.second for block in blocks])
        + native_text("level_mixing.c")
    )


def _diagonal_state_space(trunk: DiagonalStateSpace, features: AbstractColumnFeatures) -> str:
    blocks, levels = trunk.blocks, features.levels

    def kernel(block) -> Float[np.ndarray, "width element"]:
        # The first column upwards after the first row reversed: elements by row less column.
        upwards = np.asarray(block.space.matrix(levels))
        elements = np.concatenate([upwards[:, 0, :0:-1], upwards[:, :, 0]], axis=1)
        return np.pad(elements, ((0, 0), (0, -levels % PANEL)))

    return (
        _residual_blocks(trunk.entry, features.channels, blocks[0].norm)
        + f"#define BLOCKS {len(blocks)}\n"
        + _norms("norm", [block.norm for block in blocks])
        + float_array("kernel", np.stack([kernel(block) for block in blocks]))
        + _layers("exit", [block.exit for block in blocks])
        + native_text("diagonal_state_space.c")
    )


def _residual_blocks(entry: eqx.nn.Linear, channels: int, norm: eqx.nn.LayerNorm) -> str:
    weight = np.asarray(entry.weight)
    return (
        f"#define NORM_EPSILON {number(norm.eps)}\n"
        + float_array("entry_profile_weight", matrix(weight[:, :channels]))
        + float_array("entry_scalar_weight", matrix(weight[:, channels:]))
        + float_array("entry_bias", np.asarray(entry.bias))
        + native_text("residual_blocks.c")
    )


def _layers(name: str, layers: list[eqx.nn.Linear]) -> str:
    weight = float_array(f"{name}_weight", np.stack([matrix(layer.weight) for layer in layers]))
    return weight + _vectors(f"{name}_bias", [layer.bias for layer in layers])


def _norms(name: str, norms: list[eqx.nn.LayerNorm]) -> str:
    weight = _vectors(f"{name}_weight", [norm.weight for norm in norms])
    return weight + _vectors(f"{name}_bias", [norm.bias for norm in norms])


def _vectors(name: str, vectors: list[Array | None]) -> str:
    return float_array(name, np.stack([np.asarray(vector) for vector in vectors]))


_SOURCES: Final[Mapping[type, Callable[..., str]]] = {
    BiLSTM: _bidirectional_lstm,
    LevelConvolution: _level_convolution,
    LevelMixing: _level_mixing,
    DiagonalStateSpace: _diagonal_state_space,
}

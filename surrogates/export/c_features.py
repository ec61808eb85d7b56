"""C for the features of a convection scheme."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool

from closurax.physics.column.kain_fritsch.saturation_table import log_nodes

from ..columns import ColumnFeatures, ParcelFeatures
from ..columns.features import AbstractColumnFeatures
from .c_literals import float_array
from .c_part import c_part
from .native_text import native_text


def features_source(features: AbstractColumnFeatures) -> str:
    """Defines `air`, `examine` and `describe`.

    Raises `ClosuraxError` if there is no C for features of this class.
    """
    return c_part(_SOURCES, features, "features")(features)


def constant_features(features: AbstractColumnFeatures) -> Bool[np.ndarray, " feature"]:
    """Which rows of the feature vector are the same for all columns, whatever the column."""
    constant = np.zeros((features.levels, features.channels), bool)
    if isinstance(features, ParcelFeatures):
        # Margin, its hyperbolic tangent, theta-e, height and level of the air of source layers.
        constant[features.bases :, 9:14] = True
    return np.concatenate([constant.reshape(-1), np.zeros(features.scalars, bool)])


def constant_value(features: AbstractColumnFeatures) -> np.ndarray:
    """The standardised value of the constant features, zero of the others."""
    raw = np.zeros((features.levels, features.channels), np.float32)
    if isinstance(features, ParcelFeatures):
        raw[features.bases :, 9:11] = -6.0, -1.0
    mean, scale = (
        np.asarray(x, np.float32) for x in (features.profile.mean, features.profile.scale)
    )
    told = np.concatenate(
        [np.clip((raw - mean) / scale, -8, 8).reshape(-1), np.zeros(features.scalars)]
    )
    return np.where(constant_features(features), told, 0.0)


def _statistics(features: AbstractColumnFeatures) -> str:
    def vector(name: str) -> np.ndarray:
        parts = (getattr(features.profile, name), getattr(features.surface, name))
        return np.concatenate([np.asarray(part, float).reshape(-1) for part in parts])

    return (
        f"#define CHANNELS {features.channels}\n"
        + float_array("feature_mean", vector("mean"))
        + float_array("feature_inverse_scale", 1 / vector("scale"))
        + native_text("features.c")
    )


def _parcel_features(features: ParcelFeatures) -> str:
    bases = min(features.bases, features.levels)
    return (
        _statistics(features)
        + f"#define BASES {bases}\n"
        + float_array("log_nodes", log_nodes())
        + native_text("parcel_features.c")
    )


def _column_features(features: ColumnFeatures) -> str:
    return _statistics(features) + native_text("column_features.c")


_SOURCES: Final[Mapping[type, Callable[..., str]]] = {
    ParcelFeatures: _parcel_features,
    ColumnFeatures: _column_features,
}

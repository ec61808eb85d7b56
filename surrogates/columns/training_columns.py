from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from closurax.physics.column.convection import MEAN_VERTICAL_VELOCITY, PROFILES, SURFACE
from closurax.physics.errors import DataError

from .features import AbstractColumnFeatures

# What the constraints read.
_READ = (
    "air_temperature",
    "air_density",
    "layer_thickness",
    "vapour_mixing_ratio",
    "time_step",
)


def training_columns(
    features: AbstractColumnFeatures,
    inputs: Mapping[str, Array | np.ndarray],
    targets: Mapping[str, Array | np.ndarray],
    *,
    batch_size: int = 4096,
) -> dict[str, Any]:
    """The columns from which a network can learn, for `fit` with `convection_loss`.

    The features are computed here once, and columns that they know to have no convection are
    left out.

    **Arguments:**

    - `features`: fitted.
    - `inputs`, `targets`: what a convection scheme reads and returns, with a leading sample axis.
    - `batch_size`: columns at a time.

    Raises `DataError` if no column is left.
    """
    read = {
        quantity.name: np.asarray(inputs[quantity.name])
        for quantity in (*PROFILES, MEAN_VERTICAL_VELOCITY, *SURFACE)
    }
    tell = jax.jit(jax.vmap(features))
    count, parts = len(read["air_pressure"]), []
    for start in range(0, count, batch_size):
        columns = slice(start, start + batch_size)
        told = tell({name: jnp.asarray(values[columns]) for name, values in read.items()})
        kept = np.flatnonzero(np.asarray(told.may_convect))
        part = {
            "features": told._replace(may_convect=jnp.ones_like(told.may_convect)),
            "inputs": {name: read[name][columns] for name in _READ},
            "targets": {name: np.asarray(values)[columns] for name, values in targets.items()},
        }
        parts.append(jax.tree_util.tree_map(lambda leaf, kept=kept: np.asarray(leaf)[kept], part))
    joined = jax.tree_util.tree_map(lambda *leaves: np.concatenate(leaves), *parts)
    if not len(joined["features"].timescale):
        raise DataError("In none of the columns is convection possible; add some where it is.")
    return joined

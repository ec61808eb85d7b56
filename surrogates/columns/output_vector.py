"""What a convection scheme returns for a column as one vector, which can be averaged."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from closurax.physics.column.convection import TENDENCIES

_NAMES = tuple(name for name, _ in TENDENCIES)


def output_vectors(targets: Mapping[str, np.ndarray]) -> Float[np.ndarray, "sample output"]:
    """The tendencies, level by level, the precipitation rate, the logarithm of the lifetime,
    and the levels of cloud base and top, in double precision.

    Only the vectors of columns with convection are meaningful.
    """
    profiles = np.stack([np.asarray(targets[name], float) for name in _NAMES], axis=2)
    scalars = (
        np.asarray(targets["precipitation_rate"], float),
        np.log(np.maximum(np.asarray(targets["convective_lifetime"], float), 1.0)),
        np.asarray(targets["cloud_base_level"], float),
        np.asarray(targets["cloud_top_level"], float),
    )
    return np.concatenate([profiles.reshape(len(profiles), -1), np.stack(scalars, axis=1)], axis=1)


def outputs_of(vector: Float[Array, " output"], kind: Int[Array, ""]) -> dict[str, Array]:
    """What a convection scheme returns, of a vector; without convection the vector is ignored.

    **Arguments:**

    - `vector`: as `output_vectors` makes them, or a mean of such.
    - `kind`: the class: 0 for none, 1 for deep, 2 for shallow.
    """
    profiles = vector[:-4].reshape(-1, len(_NAMES))
    levels = profiles.shape[0]
    rain, log_lifetime, base, top = vector[-4:]
    triggered = kind > 0
    base, top = (jnp.clip(jnp.round(level), 1, levels) for level in (base, top))
    return {name: jnp.where(triggered, profiles[:, i], 0) for i, name in enumerate(_NAMES)} | {
        "precipitation_rate": jnp.where(kind == 1, jnp.maximum(rain, 0), 0),
        "convective_lifetime": jnp.where(triggered, jnp.exp(jnp.clip(log_lifetime, 0, 12)), 0),
        "convection_class": kind.astype(vector.dtype),
        "cloud_base_level": jnp.where(triggered, jnp.minimum(base, top), levels + 1),
        "cloud_top_level": jnp.where(triggered, top, 1),
    }

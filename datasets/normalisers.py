from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from closurax.physics.errors import DataError


class Standardiser(eqx.Module):
    """Shifts and scales each channel to zero mean and unit standard deviation.

    It travels inside a surrogate. Its statistics, which may have several axes, are data, not
    parameters: gradients with respect to them are zero.
    """

    mean: Float[Array, "*channel"]
    scale: Float[Array, "*channel"]

    @classmethod
    def fit(
        cls,
        array: Float[np.ndarray | Array, "..."],
        channel_axis: int = 1,
        names: Sequence[str] | None = None,
    ) -> "Standardiser":
        """The statistics of an array over all its axes but the channels'.

        **Arguments:**

        - `array`: for example `(sample, channel, nx, ny)`.
        - `channel_axis`: which axis the channels are on.
        - `names`: of the channels, for error messages.

        Raises `DataError` if a channel is not finite, or constant to single precision.
        """
        channels = np.moveaxis(np.asarray(array), channel_axis, 0)
        channels = channels.reshape(channels.shape[0], -1)
        if names is None:
            names = [f"channel {index}" for index in range(len(channels))]
        elif len(names) != len(channels):
            raise DataError(f"There are {len(channels)} channels, but the names {list(names)}.")
        mean = channels.mean(axis=1, dtype=float)
        scale = channels.std(axis=1, dtype=float)
        for index, name in enumerate(names):
            if not (np.isfinite(mean[index]) and np.isfinite(scale[index])):
                raise DataError(f"{name!r} holds values that are not finite; repair the data.")
            if scale[index] <= np.finfo(np.float32).eps * np.abs(channels[index]).max():
                raise DataError(
                    f"{name!r} has zero variance (its value is {mean[index]:g} everywhere) and "
                    "cannot be standardised; leave it out."
                )
        return cls(
            mean=jnp.asarray(mean, jnp.result_type(float)),
            scale=jnp.asarray(scale, jnp.result_type(float)),
        )

    def normalise(self, fields: Float[Array, "..."]) -> Float[Array, "..."]:
        """`(fields - mean) / scale` for each channel, in the precision of the fields.

        The first axes of the fields are those of the statistics.
        """
        return (fields - _like(self.mean, fields)) / _like(self.scale, fields)

    def denormalise(self, fields: Float[Array, "..."]) -> Float[Array, "..."]:
        """The inverse of `normalise`."""
        return fields * _like(self.scale, fields) + _like(self.mean, fields)


def _like(statistic: Float[Array, "*channel"], fields: Float[Array, "..."]) -> Array:
    statistic = lax.stop_gradient(statistic).astype(fields.dtype)
    return statistic.reshape(statistic.shape + (1,) * (fields.ndim - statistic.ndim))

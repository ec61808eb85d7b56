from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.datasets.normalisers import Standardiser
from closurax.physics.column.convection import TENDENCIES
from closurax.physics.errors import DataError


class TendencyScaling(eqx.Module):
    """The scales between what a network returns and physical units.

    What the convection does to a column over the timescale of its features, and how much it
    rains meanwhile, are divided by scales, so that zero stays zero; the lifetime of deep
    convection is the exponential of what the network returns, and that of shallow convection a
    constant.
    """

    adjustments: Standardiser
    """Of the tendencies times the timescale."""
    errors: Standardiser
    """The spread of each tendency in the data, by which an error of it is judged."""
    rain: float
    """Of the precipitation rate times the timescale, in kg m-2."""
    rain_error: float
    """The spread of the precipitation rate in kg m-2 s-1."""
    log_lifetime: float
    log_lifetime_spread: float
    shallow_lifetime: float

    @classmethod
    def fit(
        cls,
        targets: Mapping[str, Array | np.ndarray],
        timescale: Float[Array | np.ndarray, " sample"],
        mass: Float[Array | np.ndarray, "sample level"],
        floor: float = 0.03,
    ) -> "TendencyScaling":
        """The scales of what a scheme returned for many columns.

        **Arguments:**

        - `targets`: with a leading sample axis.
        - `timescale`: of the features of each column, in s.
        - `mass`: of the layers, in kg m-2.
        - `floor`: the scale of an adjustment on a level is its root mean square there, but at
            least this fraction of that of all levels.

        Raises `DataError` if a tendency is zero everywhere, or there is no deep convection.
        """
        scales, errors = [], []
        time, weight = np.asarray(timescale, float), np.asarray(mass, float)
        for name, _ in TENDENCIES:
            tendency = np.asarray(targets[name], float)
            level_scale = np.sqrt(np.mean((tendency * time[:, None]) ** 2, axis=0))
            if not level_scale.max() > 0:
                raise DataError(
                    f"{name!r} is zero, or not finite, in all columns; its scale needs columns "
                    "where it is not."
                )
            overall = np.sqrt(np.mean(level_scale**2))
            scales.append(np.maximum(level_scale, floor * overall))
            difference = tendency - tendency.mean(axis=0)
            variance = np.sum(difference**2 * weight) / np.sum(weight)
            errors.append(np.full(tendency.shape[1], np.sqrt(variance)))
        kind = np.asarray(targets["convection_class"])
        deep, shallow = kind == 1, kind == 2
        rain = np.asarray(targets["precipitation_rate"], float)
        if not np.any(rain[deep] > 0):
            raise DataError("No column has precipitation from deep convection; add some that do.")
        lifetime = np.asarray(targets["convective_lifetime"], float)
        log_lifetime = np.log(lifetime[deep])
        return cls(
            adjustments=_scaled(scales),
            errors=_scaled(errors),
            rain=float(np.sqrt(np.mean((rain * time)[deep] ** 2))),
            rain_error=float(rain.std()),
            log_lifetime=float(log_lifetime.mean()),
            log_lifetime_spread=float(log_lifetime.std()) or 1.0,
            shallow_lifetime=float(np.median(lifetime[shallow])) if shallow.any() else 300.0,
        )

    def normalise(
        self, tendencies: Float[Array, "level tendency"]
    ) -> Float[Array, "level tendency"]:
        """Adjustments in the order of `TENDENCIES` over their scales."""
        return self.adjustments.normalise(tendencies)

    def denormalise(
        self, tendencies: Float[Array, "level tendency"]
    ) -> Float[Array, "level tendency"]:
        """The inverse of `normalise`."""
        return self.adjustments.denormalise(tendencies)

    def deep_lifetime(self, normalised: Float[Array, ""]) -> Float[Array, ""]:
        """The lifetime of deep convection in s; within four standard deviations of the data."""
        within = jnp.clip(normalised, -4, 4)
        return jnp.exp(within * self.log_lifetime_spread + self.log_lifetime)

    def normalised_lifetime(self, lifetime: Float[Array, ""]) -> Float[Array, ""]:
        """The inverse of `deep_lifetime`; lifetimes below 1 s count as 1 s."""
        return (jnp.log(jnp.maximum(lifetime, 1)) - self.log_lifetime) / self.log_lifetime_spread


def _scaled(scales: list[np.ndarray]) -> Standardiser:
    scale = jnp.asarray(np.stack(scales, axis=1), jnp.result_type(float))
    return Standardiser(jnp.zeros_like(scale), scale)

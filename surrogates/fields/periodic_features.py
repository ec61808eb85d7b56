from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.problems import Jet

from .features import AbstractFeatures


class PeriodicFeatures(AbstractFeatures):
    """The sums of features over their nearest periodic images.

    That is three images along each periodic axis, which is exact to rounding for features that
    are narrower than a seventh of the period. The features must be near the box where they are
    evaluated.
    """

    features: AbstractFeatures
    periods: tuple[float | None, ...] = eqx.field(static=True)
    """The period of each axis, `None` for one that is not periodic."""

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return jnp.sum(jax.vmap(self.features)(self._images(point)), axis=0)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        jets = jax.vmap(self.features.jet)(self._images(point))
        return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), jets)

    def _images(self, point: Float[Array, " dims"]) -> Float[Array, "images dims"]:
        steps = [(0.0,) if period is None else (-period, 0.0, period) for period in self.periods]
        shifts = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, len(steps))
        return point[None] + jnp.asarray(shifts, point.dtype)


def periodic_in(
    features: AbstractFeatures,
    lower: Sequence[float],
    upper: Sequence[float],
    periodic: Sequence[bool],
) -> AbstractFeatures:
    """Features with their images along the periodic axes of a box; the same if there are none."""
    if not any(periodic):
        return features
    ends = zip(lower, upper, periodic, strict=True)
    return PeriodicFeatures(
        features, tuple(float(high - low) if repeats else None for low, high, repeats in ends)
    )

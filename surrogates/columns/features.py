from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from closurax.datasets.normalisers import Standardiser

_LARGEST = 8.0


class Features(NamedTuple):
    """What a network is told of a column."""

    profile: Float[Array, "level channel"]
    scalars: Float[Array, " scalar"]
    timescale: Float[Array, ""]
    """In s; the tendencies are what the network returns, over this time."""
    may_convect: Bool[Array, ""]
    """False where it is certain that there is no convection."""


class AbstractColumnFeatures(eqx.Module):
    """Maps what a convection scheme reads to what a network is told, standardised.

    Subclasses write `raw`; the statistics are those of each feature on each level.
    """

    profile: eqx.AbstractVar[Standardiser]
    surface: eqx.AbstractVar[Standardiser]

    @abstractmethod
    def raw(self, inputs: Mapping[str, Any]) -> Features:
        """The features of one column before they are standardised."""

    @property
    def levels(self) -> int:
        return self.profile.mean.shape[0]

    @property
    def channels(self) -> int:
        """The number of features on a level."""
        return self.profile.mean.shape[1]

    @property
    def scalars(self) -> int:
        """The number of features of the column as a whole."""
        return self.surface.mean.shape[0]

    def __call__(self, inputs: Mapping[str, Any]) -> Features:
        """The features of one column, in the precision of the statistics.

        They are cut at eight standard deviations, beyond which a network knows nothing.
        """
        raw = self.raw(inputs)
        dtype = self.profile.mean.dtype
        profile = self.profile.normalise(raw.profile).astype(dtype)
        scalars = self.surface.normalise(raw.scalars).astype(dtype)
        return raw._replace(
            profile=jnp.clip(profile, -_LARGEST, _LARGEST),
            scalars=jnp.clip(scalars, -_LARGEST, _LARGEST),
        )


def statistics(features: Float[Array | np.ndarray, "sample *shape"]) -> Standardiser:
    """Mean and spread of each feature; a feature that hardly varies is not scaled up."""
    values = np.asarray(features)
    mean, scale = values.mean(axis=0, dtype=float), values.std(axis=0, dtype=float)
    constant = scale <= 1e-6 * np.maximum(np.abs(values).max(axis=0), 1e-30)
    scale = np.where(constant, 1.0, scale)
    dtype = jnp.result_type(float)
    return Standardiser(jnp.asarray(mean, dtype), jnp.asarray(scale, dtype))

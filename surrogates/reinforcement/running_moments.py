from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from closurax.datasets.normalisers import Standardiser

# A batch of samples counts for at least this share: what the first policies did is forgotten.
_LEAST_SHARE = 0.01
# Below this, relative to the mean, a standard deviation is rounding.
_ROUNDING = 1e-5


class RunningMoments(NamedTuple):
    """Mean and variance of channels over batches of samples, the older ones fading."""

    mean: Float[Array, "*channel"]
    variance: Float[Array, "*channel"]
    batches: Int[Array, ""]

    @classmethod
    def none(cls, *channels: int) -> "RunningMoments":
        """Before the first batch."""
        return cls(jnp.zeros(channels), jnp.ones(channels), jnp.zeros((), jnp.int32))

    def updated(self, samples: Float[Array, "sample *channel"]) -> "RunningMoments":
        """With one more batch."""
        share = 1 / (self.batches.astype(self.mean.dtype) + 1)
        share = jnp.maximum(share, _LEAST_SHARE)
        samples = samples.astype(self.mean.dtype)
        difference = jnp.mean(samples, axis=0) - self.mean
        variance = (1 - share) * (self.variance + share * difference**2)
        return RunningMoments(
            mean=self.mean + share * difference,
            variance=variance + share * jnp.var(samples, axis=0),
            batches=self.batches + 1,
        )

    def standardiser(self) -> Standardiser:
        """To zero mean and unit standard deviation; what is constant is only shifted."""
        std = jnp.sqrt(self.variance)
        varies = std > _ROUNDING * jnp.abs(self.mean)
        return Standardiser(mean=self.mean, scale=jnp.where(varies, std, jnp.ones_like(std)))

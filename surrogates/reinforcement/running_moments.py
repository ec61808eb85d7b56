from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from closurax.datasets.normalisers import Standardiser

# Below this, relative to the mean, a standard deviation is rounding.
_ROUNDING = 1e-5
# Returns of good policies are much smaller than those of the first ones can be, and a critic that
# still has the scale of these is not accurate enough.
RETURN_SHARE = 0.1


class RunningMoments(NamedTuple):
    """Mean and variance of channels over batches of samples, the older ones fading.

    A batch counts for at least `least_share`, so that what the first policies did is forgotten.
    """

    mean: Float[Array, "*channel"]
    variance: Float[Array, "*channel"]
    batches: Int[Array, ""]
    least_share: Float[Array, ""]

    @classmethod
    def none(cls, *channels: int, least_share: float) -> "RunningMoments":
        """Before the first batch."""
        return cls(
            mean=jnp.zeros(channels),
            variance=jnp.ones(channels),
            batches=jnp.zeros((), jnp.int32),
            least_share=jnp.asarray(least_share, jnp.float32),
        )

    def updated(self, samples: Float[Array, "sample *channel"]) -> "RunningMoments":
        """With one more batch."""
        share = 1 / (self.batches.astype(self.mean.dtype) + 1)
        share = jnp.maximum(share, self.least_share)
        samples = samples.astype(self.mean.dtype)
        difference = jnp.mean(samples, axis=0) - self.mean
        variance = (1 - share) * (self.variance + share * difference**2)
        return RunningMoments(
            mean=self.mean + share * difference,
            variance=variance + share * jnp.var(samples, axis=0),
            batches=self.batches + 1,
            least_share=self.least_share,
        )

    def standardiser(self) -> Standardiser:
        """To zero mean and unit standard deviation; what is constant is only shifted."""
        std = jnp.sqrt(self.variance)
        varies = std > _ROUNDING * jnp.abs(self.mean)
        return Standardiser(mean=self.mean, scale=jnp.where(varies, std, jnp.ones_like(std)))

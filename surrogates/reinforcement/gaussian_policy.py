import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError
from closurax.physics.scheme import Quantity

from . import diagonal_normal
from .normalised_observation import normalised_observation
from .tanh_network import TanhNetwork

# The largest number below one in single precision has atanh 8.7; actions of +-1 are taken there.
_LARGEST_ACTION = 1 - 2.0**-24


class GaussianPolicy(eqx.Module):
    r"""Chooses actions in $[-1, 1]$: the tanh of normally distributed numbers.

    $a = \tanh(m(o) + \sigma \xi)$ with standard normal $\xi$, a network $m$ of the normalised
    observation $o$, and a standard deviation $\sigma$ that does not depend on $o$. Called, it
    returns the action without noise, $\tanh m(o)$, for use after the training.
    """

    network: Callable[[Float[Array, " observation"]], Float[Array, " action"]]
    log_std: Float[Array, " action"]
    normaliser: Standardiser

    @classmethod
    def initial(
        cls,
        observation_size: int,
        action_size: int,
        *,
        width: int = 128,
        depth: int = 2,
        std: float = 0.5,
        normaliser: Standardiser | None = None,
        key: Key[Array, ""],
    ) -> "GaussianPolicy":
        """A policy before its training, with actions around zero.

        **Arguments:**

        - `observation_size`, `action_size`: those of the environment.
        - `width`, `depth`: of its `TanhNetwork`.
        - `std`: the noise, before tanh.
        - `normaliser`: of the observations; by default one that changes nothing.
        """
        if not std > 0:
            raise ClosuraxError(f"`std` must be positive, not {std}.")
        if normaliser is None:
            normaliser = Standardiser(jnp.zeros(observation_size), jnp.ones(observation_size))
        return cls(
            network=TanhNetwork(observation_size, action_size, width, depth, 0.01, key=key),
            log_std=jnp.full(action_size, math.log(std), jnp.result_type(float)),
            normaliser=normaliser,
        )

    @property
    def reads(self) -> tuple[Quantity, ...]:
        """For the header of its file."""
        return (Quantity("observation", "1"),)

    @property
    def returns(self) -> tuple[Quantity, ...]:
        """For the header of its file."""
        return (Quantity("action", "1"),)

    def mean(self, observation: Float[Array, " observation"]) -> Float[Array, " action"]:
        """The mean before tanh, in the precision of the policy."""
        normalised = normalised_observation(self.normaliser, observation)
        return self.network(normalised.astype(self.log_std.dtype))

    def __call__(self, observation: Float[Array, " observation"]) -> Float[Array, " action"]:
        """The action without noise, in the precision of the observation."""
        return jnp.tanh(self.mean(observation)).astype(observation.dtype)

    def sample(
        self, observation: Float[Array, " observation"], key: Key[Array, ""]
    ) -> tuple[Float[Array, " action"], Float[Array, ""]]:
        """An action with noise, and the logarithm of its probability density."""
        mean = self.mean(observation)
        noise = jax.random.normal(key, mean.shape, mean.dtype)
        before = mean + jnp.exp(self.log_std) * noise
        log_probability = self._log_probability(before, mean)
        return jnp.tanh(before).astype(observation.dtype), log_probability

    def log_probability(
        self, observation: Float[Array, " observation"], action: Float[Array, " action"]
    ) -> Float[Array, ""]:
        """The logarithm of the probability density of an action."""
        action = action.astype(self.log_std.dtype)
        before = jnp.arctanh(jnp.clip(action, -_LARGEST_ACTION, _LARGEST_ACTION))
        return self._log_probability(before, self.mean(observation))

    def entropy(self) -> Float[Array, ""]:
        """The entropy before tanh, which alone is known in closed form."""
        return diagonal_normal.entropy(self.log_std)

    def _log_probability(self, before: Array, mean: Array) -> Float[Array, ""]:
        density = diagonal_normal.log_density(before, mean, self.log_std)
        return density - diagonal_normal.log_tanh_slope(before)

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError

from .normalised_observation import normalised_observation
from .tanh_network import TanhNetwork


class MeanOverAgents(eqx.Module):
    """One number from the mean over all agents of what they see."""

    network: Callable[[Float[Array, " observation"]], Float[Array, " 1"]]

    def __call__(self, observations: Float[Array, "agents observation"]) -> Float[Array, ""]:
        return self.network(jnp.mean(observations, axis=0))[0]


class StateValue(eqx.Module):
    """The value of a state: the expected discounted sum of the rewards from there on.

    It is one for all agents, who share the reward. The network maps normalised observations of
    all agents to a normalised value.
    """

    network: Callable[[Float[Array, "agents observation"]], Float[Array, ""]]
    normaliser: Standardiser
    value_normaliser: Standardiser

    @classmethod
    def initial(
        cls,
        observation_size: int,
        *,
        width: int = 128,
        depth: int = 2,
        network: Callable[[Float[Array, "agents observation"]], Float[Array, ""]] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> "StateValue":
        """A value before its training.

        **Arguments:**

        - `observation_size`: that of the environment.
        - `width`, `depth`: of the `TanhNetwork` that by default takes the mean over the agents.
        - `network`: another one, which may see the agents apart.
        - `key`: for the default network.
        """
        if network is None:
            if key is None:
                raise ClosuraxError("Give a `key`, or a `network` that is made already.")
            network = MeanOverAgents(TanhNetwork(observation_size, 1, width, depth, key=key))
        return cls(
            network=network,
            normaliser=Standardiser(jnp.zeros(observation_size), jnp.ones(observation_size)),
            value_normaliser=Standardiser(jnp.zeros(()), jnp.ones(())),
        )

    def normalised(self, observations: Float[Array, "agents observation"]) -> Float[Array, ""]:
        """The value in units of its normaliser."""
        normalised = jax.vmap(partial(normalised_observation, self.normaliser))(observations)
        return self.network(normalised.astype(self.value_normaliser.scale.dtype))

    def __call__(self, observations: Float[Array, "agents observation"]) -> Float[Array, ""]:
        """The value in units of the reward."""
        return self.value_normaliser.denormalise(self.normalised(observations))

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float, Key, PyTree


class Step(NamedTuple):
    """What follows an action: the next state, and what the action earned.

    `terminated` means that the episode ended by failure, with no value after it.
    """

    state: PyTree
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]


class AbstractEnvironment(eqx.Module):
    """An episode in which agents that share one policy act together.

    All methods are pure, and for one environment; `jax.vmap` makes a batch of them. What learns
    resets an environment that terminated, and, without ending its value, one that has lasted
    `horizon` steps. States stay finite: an environment that diverges returns its penalty,
    `terminated`, and its last finite state.
    """

    agents: eqx.AbstractVar[int]
    """How many agents act."""
    observation_size: eqx.AbstractVar[int]
    """How many numbers each agent sees."""
    action_size: eqx.AbstractVar[int]
    """How many numbers each agent chooses."""
    horizon: eqx.AbstractVar[int]
    """After how many steps an episode is cut off."""

    @abstractmethod
    def reset(self, key: Key[Array, ""]) -> PyTree:
        """The state at the start of an episode, a pytree of arrays of fixed shapes."""

    @abstractmethod
    def observe(self, state: PyTree) -> Float[Array, "agents observation"]:
        """What each agent sees of the state."""

    @abstractmethod
    def step(
        self, state: PyTree, action: Float[Array, "agents action"], key: Key[Array, ""]
    ) -> Step:
        """Lets all agents act; the actions lie in $[-1, 1]$, and the environment scales them."""

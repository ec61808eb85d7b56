"""A batch of environments, stepped on and on, and started again when their episodes end."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from .environment import AbstractEnvironment
from .gaussian_policy import GaussianPolicy


class Episodes(NamedTuple):
    """Environments in the middle of their episodes."""

    states: PyTree
    observations: Float[Array, "environment agents observation"]
    elapsed: Int[Array, " environment"]
    earned: Float[Array, " environment"]


class Transitions(NamedTuple):
    """What the agents saw and chose, and what came of it.

    `choice` is the action before tanh, drawn around `mean`; `earned` and `elapsed` are those of
    the episode so far. `next_observation` is the last one of its episode where that ended,
    which is where a truncated episode has its value.
    """

    observation: Float[Array, "time environment agents observation"]
    mean: Float[Array, "time environment agents action"]
    choice: Float[Array, "time environment agents action"]
    reward: Float[Array, "time environment"]
    terminated: Bool[Array, "time environment"]
    truncated: Bool[Array, "time environment"]
    next_observation: Float[Array, "time environment agents observation"]
    earned: Float[Array, "time environment"]
    elapsed: Int[Array, "time environment"]

    @property
    def ended(self) -> Bool[Array, "time environment"]:
        return self.terminated | self.truncated


def start_episodes(environment: AbstractEnvironment, count: int, key: Key[Array, ""]) -> Episodes:
    """`count` environments at the start of their episodes."""
    states = jax.vmap(environment.reset)(jr.split(key, count))
    observations = jax.vmap(environment.observe)(states)
    return Episodes(states, observations, jnp.zeros(count, jnp.int32), jnp.zeros(count))


def rollout(
    policy: GaussianPolicy,
    environment: AbstractEnvironment,
    episodes: Episodes,
    steps: int,
    key: Key[Array, ""],
) -> tuple[Episodes, Transitions]:
    """Lets the policy act, with noise, for a number of steps in each environment.

    An environment that terminated, or has lasted `horizon` steps, starts again.
    """
    count = episodes.elapsed.shape[0]
    noise_key, keys_key = jr.split(key)
    noise = jr.normal(
        noise_key,
        (steps, count, environment.agents, environment.action_size),
        policy.log_std.dtype,
    )
    keys = jr.split(keys_key, (steps, 2, count))

    def body(episodes: Episodes, at: tuple[Array, Array]) -> tuple[Episodes, Transitions]:
        noise, (step_keys, reset_keys) = at
        std = jnp.broadcast_to(jnp.exp(policy.log_std), noise.shape)
        mean = jax.vmap(jax.vmap(policy.mean))(episodes.observations)
        choice = mean + std * noise
        action = jnp.tanh(choice).astype(episodes.observations.dtype)
        following = jax.vmap(environment.step)(episodes.states, action, step_keys)
        observations = jax.vmap(environment.observe)(following.state)
        reward = following.reward.astype(episodes.earned.dtype)
        elapsed, earned = episodes.elapsed + 1, episodes.earned + reward
        terminated = following.terminated
        truncated = (elapsed >= environment.horizon) & ~terminated
        ended = terminated | truncated
        transitions = Transitions(
            observation=episodes.observations,
            mean=mean,
            choice=choice,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            next_observation=observations,
            earned=earned,
            elapsed=elapsed,
        )
        states, observations = lax.cond(
            jnp.any(ended),
            lambda: _restarted(environment, ended, following.state, observations, reset_keys),
            lambda: (following.state, observations),
        )
        elapsed = jnp.where(ended, jnp.zeros_like(elapsed), elapsed)
        earned = jnp.where(ended, jnp.zeros_like(earned), earned)
        return Episodes(states, observations, elapsed, earned), transitions

    return lax.scan(body, episodes, (noise, keys))


def episode_summary(transitions: Transitions) -> dict[str, Float[Array, ""]]:
    """Return, length and end of the episodes that ended in a rollout; NaN if none did."""
    ended = transitions.ended
    number = jnp.sum(ended)

    def mean(values: Array) -> Array:
        total = jnp.sum(jnp.where(ended, values, jnp.zeros_like(values))).astype(jnp.float32)
        return total / number.astype(jnp.float32)

    none = jnp.where(number > 0, 0.0, jnp.nan)
    return {
        "return_mean": mean(transitions.earned),
        "return_min": none + jnp.min(transitions.earned, where=ended, initial=jnp.inf),
        "return_max": none + jnp.max(transitions.earned, where=ended, initial=-jnp.inf),
        "episode_length": mean(transitions.elapsed),
        "terminated_fraction": mean(transitions.terminated),
    }


def _restarted(environment, ended, states, observations, keys):
    fresh = jax.vmap(environment.reset)(keys)

    def chosen(new: Array, old: Array) -> Array:
        return jnp.where(ended.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    states = jtu.tree_map(chosen, fresh, states)
    return states, chosen(jax.vmap(environment.observe)(fresh), observations)

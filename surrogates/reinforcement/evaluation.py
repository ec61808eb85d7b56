import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError

from .environment import AbstractEnvironment
from .gaussian_policy import GaussianPolicy
from .rollout import start_episodes


def episode_returns(
    policy: GaussianPolicy,
    environment: AbstractEnvironment,
    *,
    episodes: int,
    seed: int,
    noise: bool = False,
) -> Float[np.ndarray, " episode"]:
    """The sums of the rewards of whole episodes, without discount.

    **Arguments:**

    - `episodes`: how many are run, side by side.
    - `seed`: of their starts, and of the noise.
    - `noise`: whether the policy acts with its noise.
    """
    if episodes < 1:
        raise ClosuraxError(f"`episodes` must be at least 1, not {episodes}.")
    return np.asarray(_returns((policy, environment, noise), episodes, jr.key(seed)))


@eqx.filter_jit
def _returns(fixed, count: int, key: Key[Array, ""]) -> Float[Array, " episode"]:
    policy, environment, noise = fixed
    start_key, key = jr.split(key)
    start = start_episodes(environment, count, start_key)

    def act(observation: Array, key: Key[Array, ""]) -> Array:
        return policy.sample(observation, key)[0] if noise else policy(observation)

    def body(carry, key):
        states, running, total = carry
        noise_key, step_key = jr.split(key)
        observations = jax.vmap(environment.observe)(states)
        keys = jr.split(noise_key, observations.shape[:2])
        actions = jax.vmap(jax.vmap(act))(observations, keys)
        step = jax.vmap(environment.step)(states, actions, jr.split(step_key, count))
        reward = step.reward.astype(total.dtype)
        total = total + jnp.where(running, reward, jnp.zeros_like(reward))
        return (step.state, running & ~step.terminated, total), None

    carry = (start.states, jnp.ones(count, bool), start.earned)
    (_, _, total), _ = lax.scan(body, carry, jr.split(key, environment.horizon))
    return total

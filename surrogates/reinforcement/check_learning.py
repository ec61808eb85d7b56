"""Does a policy fit its environment, and an environment its own description?"""

import jax
import jax.numpy as jnp
import jax.random as jr

from closurax.physics.errors import ClosuraxError

from .environment import AbstractEnvironment
from .gaussian_policy import GaussianPolicy
from .state_value import StateValue


def check_learning(
    policy: GaussianPolicy, critic: StateValue, environment: AbstractEnvironment
) -> None:
    """Raises `ClosuraxError` unless policy, critic and environment fit; computes nothing."""
    sizes = {
        "agents": environment.agents,
        "observation_size": environment.observation_size,
        "action_size": environment.action_size,
        "horizon": environment.horizon,
    }
    for name, size in sizes.items():
        if size < 1:
            raise ClosuraxError(f"`{name}` of the environment must be at least 1, not {size}.")
    seen, chosen = (environment.observation_size,), (environment.action_size,)
    for name, shape, expected in (
        ("`normaliser` of the policy", policy.normaliser.mean.shape, seen),
        ("`log_std` of the policy", policy.log_std.shape, chosen),
        ("`normaliser` of the critic", critic.normaliser.mean.shape, seen),
        ("`value_normaliser` of the critic", critic.value_normaliser.mean.shape, ()),
    ):
        if shape != expected:
            raise ClosuraxError(
                f"The {name} is of shape {shape}, but the environment needs {expected}."
            )
    key = jax.eval_shape(lambda: jr.key(0))
    state = jax.eval_shape(environment.reset, key)
    observation = jax.eval_shape(environment.observe, state)
    if observation.shape != (environment.agents, environment.observation_size):
        raise ClosuraxError(
            f"The environment has {environment.agents} agents that see "
            f"{environment.observation_size} numbers each, but observes {observation.shape}."
        )
    action = jax.ShapeDtypeStruct((environment.agents, environment.action_size), observation.dtype)
    step = jax.eval_shape(environment.step, state, action, key)
    if step.reward.shape != () or step.terminated.shape != () or step.terminated.dtype != bool:
        raise ClosuraxError(
            "`step` of the environment must return a reward and a boolean, `terminated`, both "
            f"without axes, not {step.reward} and {step.terminated}."
        )
    kinds = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), s) for s in (state, step.state)]
    if kinds[0] != kinds[1]:
        raise ClosuraxError(
            f"`step` of the environment must return a state like that of `reset`: {step.state} "
            f"and {state}."
        )
    mean = jax.eval_shape(policy.mean, jax.ShapeDtypeStruct(seen, observation.dtype))
    if mean.shape != chosen or mean.dtype != jnp.result_type(policy.log_std):
        raise ClosuraxError(
            f"The network of the policy returns {mean}, expected {policy.log_std.dtype}{chosen}."
        )

from jaxtyping import Array, Key

from .environment import AbstractEnvironment
from .gaussian_policy import GaussianPolicy
from .state_value import StateValue
from .tanh_network import TanhNetwork


def default_critic(
    policy: GaussianPolicy, environment: AbstractEnvironment, key: Key[Array, ""]
) -> StateValue:
    """A critic with a network as large as the policy's, and its normaliser of observations."""
    if isinstance(policy.network, TanhNetwork):
        width, depth = policy.network.width, policy.network.depth
        critic = StateValue.initial(environment.observation_size, width=width, depth=depth, key=key)
    else:
        critic = StateValue.initial(environment.observation_size, key=key)
    return StateValue(critic.network, policy.normaliser, critic.value_normaliser)

from jaxtyping import Array, Key

from .environment import AbstractEnvironment
from .gaussian_policy import GaussianPolicy
from .state_value import StateValue
from .tanh_network import TanhNetwork


def default_critic(
    policy: GaussianPolicy, environment: AbstractEnvironment, key: Key[Array, ""]
) -> StateValue:
    """A critic with a network as large as the policy's, and its normaliser of observations."""
    size = {}
    if isinstance(policy.network, TanhNetwork):
        size = {"width": policy.network.width, "depth": policy.network.depth}
    critic = StateValue.initial(environment.observation_size, **size, key=key)
    return StateValue(critic.network, policy.normaliser, critic.value_normaliser)

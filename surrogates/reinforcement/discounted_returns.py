import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


def discounted_returns(
    before: Float[Array, " environment"],
    rewards: Float[Array, "time environment"],
    ended: Bool[Array, "time environment"],
    discount: float,
) -> tuple[Float[Array, " environment"], Float[Array, "time environment"]]:
    r"""$G_t = r_t + \gamma G_{t-1}$ from the start of each episode: how large values can be.

    Returns $G$ to go on with, zero where an episode ended, and $G$ at all times.
    """

    def forwards(total: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        reward, end = at
        total = reward + discount * total
        return jnp.where(end, jnp.zeros_like(total), total), total

    return lax.scan(forwards, before, (rewards, ended))

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


def generalised_advantages(
    rewards: Float[Array, "time *batch"],
    values: Float[Array, "time *batch"],
    next_values: Float[Array, "time *batch"],
    terminated: Bool[Array, "time *batch"],
    truncated: Bool[Array, "time *batch"],
    *,
    discount: float,
    trace: float,
) -> Float[Array, "time *batch"]:
    r"""Generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438, eq. 16).

    $A_t = \sum_l (\gamma \lambda)^l \delta_{t+l}$ with
    $\delta_t = r_t + \gamma V(s_{t+1}) - V(s_t)$, up to the end of the episode. There is no value
    after a termination; a truncated episode would have gone on, and keeps $V(s_{t+1})$.

    **Arguments:**

    - `values`: of the states that the actions were chosen in.
    - `next_values`: of the states that they led to, before any restart.
    - `discount`, `trace`: $\gamma$ and $\lambda$.
    """
    following = jnp.where(terminated, jnp.zeros_like(next_values), next_values)
    errors = rewards + discount * following - values
    carried = jnp.where(terminated | truncated, 0.0, discount * trace).astype(errors.dtype)

    def backwards(advantage: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        error, factor = at
        advantage = error + factor * advantage
        return advantage, advantage

    _, advantages = lax.scan(backwards, jnp.zeros_like(errors[0]), (errors, carried), reverse=True)
    return advantages

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


def retrace_values(
    rewards: Float[Array, "slot *batch"],
    values: Float[Array, "slot *batch"],
    weights: Float[Array, "slot *batch"],
    terminated: Bool[Array, "slot *batch"],
    stops: Bool[Array, "slot *batch"],
    *,
    discount: float,
) -> Float[Array, "slot *batch"]:
    r"""Off-policy estimates of the values, from what followed under older policies:

    $\hat V_t = V_t + \bar\rho_t (r_t + \gamma \hat V_{t+1} - V_t)$ with the truncated importance
    weight $\bar\rho_t = \min(1, \rho_t)$ (Novati and Koumoutsakos 2019, arXiv 1807.05827, after
    the Retrace of Munos et al. 2016, arXiv 1606.02647).

    The slots are those of a ring: the first follows on the last. The recursion is linear, so that
    all slots are computed together in a logarithmic number of operations.

    **Arguments:**

    - `weights`: $\bar\rho$.
    - `terminated`: where no value follows.
    - `stops`: where the estimate is the value itself; at least one in each ring.
    """
    constant = jnp.where(stops, values, values + weights * (rewards - values))
    factor = jnp.where(stops | terminated, jnp.zeros_like(weights), discount * weights)

    def composed(later: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[Array, Array]:
        return now[0] + now[1] * later[0], now[1] * later[1]

    constant, factor = lax.associative_scan(composed, (constant, factor), reverse=True)
    # From the first slot on there is a stop before the end of the ring, so that its estimate does
    # not depend on what follows the last slot, and is what does.
    return constant + factor * constant[:1]

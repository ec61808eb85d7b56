"""Normal distributions of independent numbers, and what tanh makes of their densities.

All functions sum over the last axis. All arguments of one have the same shape.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def log_density(
    value: Float[Array, "*batch action"],
    mean: Float[Array, "*batch action"],
    log_std: Float[Array, "*batch action"],
) -> Float[Array, "*batch"]:
    r"""$\sum_i -\frac12 ((x_i - m_i) / \sigma_i)^2 - \ln \sigma_i - \frac12 \ln 2\pi$."""
    standard = (value - mean) * jnp.exp(-log_std)
    return jnp.sum(-0.5 * standard**2 - log_std - 0.5 * math.log(2 * math.pi), axis=-1)


def divergence(
    mean: Float[Array, "*batch action"],
    log_std: Float[Array, "*batch action"],
    other_mean: Float[Array, "*batch action"],
    other_log_std: Float[Array, "*batch action"],
) -> Float[Array, "*batch"]:
    """The Kullback-Leibler divergence of the first distribution from the other."""
    ratio = jnp.exp(2 * (log_std - other_log_std))
    shift = ((mean - other_mean) * jnp.exp(-other_log_std)) ** 2
    return jnp.sum(0.5 * (ratio + shift - 1) + other_log_std - log_std, axis=-1)


def entropy(log_std: Float[Array, "*batch action"]) -> Float[Array, "*batch"]:
    return jnp.sum(log_std + 0.5 * math.log(2 * math.pi * math.e), axis=-1)


def log_tanh_slope(value: Float[Array, "*batch action"]) -> Float[Array, "*batch"]:
    r"""$\sum_i \ln (1 - \tanh^2 x_i) = \sum_i 2 (\ln 2 - x_i - \ln(1 + e^{-2 x_i}))$.

    The right-hand side does not lose its digits where tanh is close to one.
    """
    return jnp.sum(2 * (math.log(2) - value - jax.nn.softplus(-2 * value)), axis=-1)

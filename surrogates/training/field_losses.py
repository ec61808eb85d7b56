"""Losses of operators: relative errors of whole fields."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Operator = Callable[..., Array]
Fields = Float[Array | np.ndarray, "channel *space"]


def relative_l2(predicted: Fields, target: Fields) -> Float[Array, ""]:
    """The norm of the error divided by that of the target, over all channels and points."""
    return _norm(predicted - target) / _norm(target)


def relative_h1(predicted: Fields, target: Fields) -> Float[Array, ""]:
    r"""The same with $\|u\|^2 + \|\nabla u\|^2$ as the square of the norm.

    The gradient is that of forward differences between neighbours inside the domain, which
    assumes nothing about the sides; every axis has length one.
    """
    return jnp.sqrt(_h1_squared(predicted - target) / _h1_squared(target))


def relative_l2_loss(model: Operator, batch: Mapping[str, Array | np.ndarray]) -> Float[Array, ""]:
    """The mean of `relative_l2` over a batch of `"inputs"` and `"targets"`."""
    return jnp.mean(jax.vmap(relative_l2)(jax.vmap(model)(batch["inputs"]), batch["targets"]))


def relative_h1_loss(model: Operator, batch: Mapping[str, Array | np.ndarray]) -> Float[Array, ""]:
    """The mean of `relative_h1` over a batch of `"inputs"` and `"targets"`."""
    return jnp.mean(jax.vmap(relative_h1)(jax.vmap(model)(batch["inputs"]), batch["targets"]))


def _norm(fields: Array | np.ndarray) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(fields**2))


def _h1_squared(fields: Array | np.ndarray) -> Float[Array, ""]:
    points = fields[0].size
    total = jnp.sum(fields**2) / points
    for axis in range(1, fields.ndim):
        slope = jnp.diff(fields, axis=axis) * fields.shape[axis]
        total = total + jnp.sum(slope**2) / points
    return total

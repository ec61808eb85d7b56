"""Losses for `fit`: maps of a model and a batch to a scalar."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics import AbstractScheme
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity

from .resolved_tendency import resolved_tendency


def mean_squared_error(
    model: Callable[..., Array], batch: Mapping[str, Array | np.ndarray]
) -> Float[Array, ""]:
    """The mean of `(model(input) - target) ** 2` over a batch of `"inputs"` and `"targets"`."""
    difference = jax.vmap(model)(batch["inputs"]) - batch["targets"]
    return jnp.mean(difference**2)


def tendency_loss(
    scheme: AbstractScheme,
    batch: Mapping[str, Array | np.ndarray],
    *,
    grid: SpectralGrid,
    variance: float = 1.0,
) -> Float[Array, ""]:
    """The mean squared error of a subgrid tendency over the resolved wavenumbers.

    **Arguments:**

    - `scheme`: for the slot `subgrid` of `BarotropicVorticity`, learned or physical.
    - `batch`: `vorticity` in s-1 and `subgrid_tendency` in s-2, each `(sample, nx, ny)`. What
        else the scheme reads is computed from the vorticity, as a simulation does.
    - `grid`: of the fields.
    - `variance`: of the subgrid tendency in s-4; the error is relative to it, so that a scheme
        that returns zero has a loss near one.
    """
    error = jax.vmap(lambda vorticity, target: _squared_error(scheme, vorticity, target, grid))(
        batch["vorticity"], batch["subgrid_tendency"]
    )
    return jnp.mean(error) / variance


def _squared_error(
    scheme: AbstractScheme,
    vorticity: Float[Array, "nx ny"],
    target: Float[Array, "nx ny"],
    grid: SpectralGrid,
) -> Float[Array, ""]:
    target_state = BarotropicVorticity(grid).initial_state(target)
    difference = resolved_tendency(scheme, vorticity, grid) - target_state
    weight = jnp.asarray(grid.parseval_weight, difference.dtype)
    return jnp.sum(weight[None] * difference**2)

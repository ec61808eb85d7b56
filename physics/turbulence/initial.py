import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..spectral.grid import SpectralGrid


def random_vorticity(
    grid: SpectralGrid,
    key: PRNGKeyArray,
    *,
    peak_wavenumber: float = 4.0,
    standard_deviation: float = 5.0,
    dtype=None,
) -> Float[Array, "nx ny"]:
    r"""A Gaussian random vorticity field, in s-1, to start a spin-up from.

    The amplitudes follow $k^2 / (k^2 + k_0^2)^{3/2} \exp(-(k / 4 k_0)^2)$, with $k_0$ the
    peak wavenumber in rad m-1, so that the field is smooth on any grid that resolves
    $8 k_0$.
    """
    noise_hat = grid.to_spectral(jr.normal(key, grid.shape, dtype))
    k_squared, peak = grid.k_squared, peak_wavenumber
    envelope = k_squared / (k_squared + peak**2) ** 1.5
    shape = envelope * np.exp(-k_squared / (4 * peak) ** 2) * grid.resolved
    field = grid.to_physical(grid.multiply(shape, noise_hat))
    return field * (standard_deviation / jnp.std(field))

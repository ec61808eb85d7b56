import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex

from ..spectral.grid import SpectralGrid


def vorticity_advection(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
) -> Complex[Array, "nx nk"]:
    r"""The dealiased advective tendency $-\mathbf{u} \cdot \nabla \omega$ in spectral space.

    With the complex velocity $q = u + i v$, whose coefficients are
    $\hat q = \hat\omega / (k_x - i k_y)$, the square $q^2 = u^2 - v^2 + 2 i u v$ holds both
    products of the form of Basdevant (1983, J. Comput. Phys. 50, 209)

    $$-\mathbf{u} \cdot \nabla \omega = (\partial_y^2 - \partial_x^2) (u v)
    + \partial_x \partial_y (u^2 - v^2).$$

    So one complex transform each way serves in place of two real ones each way; it moves the
    same numbers with half the passes over memory.

    `vorticity_hat` must be truncated to the resolved wavenumbers; so is the result.
    """
    kx, ky = np.broadcast_arrays(grid.kx, grid.ky)
    to_velocity = (kx + 1j * ky) * grid.inverse_k_squared
    to_reflected_velocity = -np.conj(to_velocity)
    curl_divergence = (kx - 1j * ky) ** 2 / 4j * grid.resolved
    reflected_curl_divergence = (kx + 1j * ky) ** 2 / 4j * grid.resolved

    upper = grid.multiply(to_velocity, vorticity_hat)
    lower = jnp.conj(grid.multiply(to_reflected_velocity, vorticity_hat))
    lower = _negate_rows(lower)[:, -2:0:-1]
    velocity = jnp.fft.ifft2(lax.concatenate([upper, lower], 1))

    square_hat = jnp.fft.fft2(velocity * velocity)
    half = grid.ny // 2 + 1
    direct = square_hat[:, :half]
    reflected = jnp.concatenate([square_hat[:, :1], square_hat[:, : grid.ny // 2 - 1 : -1]], 1)
    reflected = jnp.conj(_negate_rows(reflected))
    return grid.multiply(curl_divergence, direct) - grid.multiply(
        reflected_curl_divergence, reflected
    )


def _negate_rows(field_hat: Complex[Array, "nx m"]) -> Complex[Array, "nx m"]:
    """Moves the coefficient of each wavenumber kx to -kx."""
    return jnp.concatenate([field_hat[:1], field_hat[:0:-1]], 0)

"""Which scales a tendency feeds and which it drains."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..spectral.grid import SpectralGrid
from ..spectral.real_view import from_real_view
from ..turbulence.advection import vorticity_advection
from ..turbulence.barotropic import BarotropicVorticity
from .spectra import shell_sum, weighted


def energy_transfer(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"],
    tendency: Float[Array | np.ndarray, "*batch nx ny"],
    grid: SpectralGrid,
) -> Float[Array, "*batch shells"]:
    r"""The rate in m2 s-3 at which a vorticity tendency in s-2 changes the energy of each shell.

    $T(k) = -\sum \mathrm{Re}(\hat\psi^* \, \hat{F})$ over the wavenumbers of the shell: Frisch,
    Turbulence (1995), section 2.4. The shells are those of `shell_wavenumbers`.
    """
    rates = enstrophy_rates(grid.to_spectral(vorticity), grid.to_spectral(tendency), grid)
    return shell_sum(weighted(grid.inverse_k_squared, rates), grid)


def enstrophy_transfer(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"],
    tendency: Float[Array | np.ndarray, "*batch nx ny"],
    grid: SpectralGrid,
) -> Float[Array, "*batch shells"]:
    r"""The rate in s-3 at which a vorticity tendency in s-2 changes the enstrophy of each shell.

    $T(k) = \sum \mathrm{Re}(\hat\omega^* \, \hat{F})$ over the wavenumbers of the shell.
    """
    rates = enstrophy_rates(grid.to_spectral(vorticity), grid.to_spectral(tendency), grid)
    return shell_sum(rates, grid)


def spectral_flux(
    transfer: Float[Array | np.ndarray, "*batch shells"],
) -> Float[Array, "*batch shells"]:
    r"""The flux $\Pi(k) = -\sum_{k' \le k} T(k')$ from the shells up to $k$ to smaller scales."""
    return -jnp.cumsum(transfer, axis=-1)


def advective_tendency(
    vorticity: Float[Array | np.ndarray, "*batch nx ny"], grid: SpectralGrid
) -> Float[Array, "*batch nx ny"]:
    r"""The dealiased $-\mathbf{u} \cdot \nabla \omega$ in s-2 of the resolved vorticity."""
    advection = jnp.vectorize(partial(vorticity_advection, grid), signature="(x,k)->(x,k)")
    return grid.to_physical(advection(grid.truncate(grid.to_spectral(vorticity))))


def scheme_tendency(
    model: BarotropicVorticity, state: Float[Array, "2 nx nk"], args=None
) -> Float[Array, "nx ny"]:
    """The vorticity tendency in s-2 of a flow's schemes, those with memory at their first call."""
    tendency, _ = model.call_schemes(0.0, state, model.initial_memory(state, args), args)
    return model.grid.to_physical(from_real_view(tendency))


def enstrophy_rates(
    vorticity_hat: Complex[Array, "*batch nx nk"],
    tendency_hat: Complex[Array, "*batch nx nk"],
    grid: SpectralGrid,
) -> Float[Array, "*batch nx nk"]:
    """The rate in s-3 at which each coefficient gains mean enstrophy from a tendency."""
    product = vorticity_hat.real * tendency_hat.real + vorticity_hat.imag * tendency_hat.imag
    return weighted(grid.parseval_weight, product)

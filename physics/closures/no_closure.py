import jax.numpy as jnp
from jaxtyping import Array, Complex

from ..spectral.grid import SpectralGrid
from .spectral_closure import AbstractSpectralClosure


class NoClosure(AbstractSpectralClosure):
    r"""$\Pi = 0$: the baseline that any closure must beat."""

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        return jnp.zeros_like(vorticity_hat)

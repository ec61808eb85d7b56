from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float

from ..spectral.grid import SpectralGrid


class AbstractForcing(eqx.Module):
    """A source of vorticity that is constant in time."""

    @abstractmethod
    def __call__(self, grid: SpectralGrid, dtype) -> Complex[Array, "nx nk"]:
        """Resolved coefficients of the source in s-2, with real parts of the given real `dtype`."""


class CosineForcing(AbstractForcing):
    r"""The vorticity source $A \left[\cos(k_f x) + \cos(k_f y)\right]$, with $A = k_f$ by default.

    Mojgani et al. 2023, arXiv 2312.00907. Wavenumbers are multiples of the domain's
    fundamental one.
    """

    wavenumber: int = eqx.field(static=True, default=4)
    amplitude: float | Float[Array, ""] | None = None

    def __call__(self, grid: SpectralGrid, dtype) -> Complex[Array, "nx nk"]:
        amplitude = self.wavenumber if self.amplitude is None else self.amplitude
        phase_x = 2 * np.pi * self.wavenumber * grid.x / grid.length_x
        phase_y = 2 * np.pi * self.wavenumber * grid.y / grid.length_y
        pattern = np.cos(phase_x)[:, None] + np.cos(phase_y)[None, :]
        pattern_hat = np.fft.rfft2(pattern) * grid.resolved
        amplitude = jnp.asarray(amplitude, dtype)
        real, imaginary = jnp.asarray([pattern_hat.real, pattern_hat.imag], dtype)
        return lax.complex(amplitude * real, amplitude * imaginary)

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float

from ..spectral.grid import SpectralGrid
from ..turbulence.barotropic import BarotropicVorticity
from ..turbulence.forcing import AbstractForcing


class DiagonalForcing(AbstractForcing):
    r"""The vorticity source $A \left[\sin \theta + \cos \theta\right]$ with
    $\theta = 2 \pi (x / L_x + y / L_y)$, of Li et al. (2021, arXiv 2010.08895, section 5.3).
    """

    amplitude: float | Float[Array, ""] = 0.1

    def __call__(self, grid: SpectralGrid, dtype) -> Complex[Array, "nx nk"]:
        phase = 2 * np.pi * np.add.outer(grid.x / grid.length_x, grid.y / grid.length_y)
        pattern_hat = np.fft.rfft2(np.sin(phase) + np.cos(phase)) * grid.resolved
        amplitude = jnp.asarray(self.amplitude, dtype)
        real, imaginary = jnp.asarray([pattern_hat.real, pattern_hat.imag], dtype)
        return lax.complex(amplitude * real, amplitude * imaginary)


def navier_stokes(
    size: int = 64,
    viscosity: float | Float[Array, ""] = 1e-5,
    forcing: AbstractForcing | None = DiagonalForcing(),
    length: float = 1.0,
) -> BarotropicVorticity:
    """The two-dimensional Navier-Stokes equation on the unit torus, in vorticity.

    By default the problem of Li et al. (2021, arXiv 2010.08895, section 5.3), which
    `PeriodicRandomField()` starts; they take viscosities from 1e-5 to 1e-3 m2 s-1 and store the
    vorticity once a second. Neither drag nor beta.

    **Arguments:**

    - `size`: number of grid points along x and y.
    - `viscosity`: in m2 s-1.
    - `forcing`: a source of vorticity.
    - `length`: of the sides of the domain in m.
    """
    return BarotropicVorticity(
        SpectralGrid(size, length_x=length), viscosity=viscosity, drag=0.0, forcing=forcing
    )

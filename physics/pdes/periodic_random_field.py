import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..errors import ClosuraxError
from ..spectral.grid import SpectralGrid
from ..spectral.periodic_interval import PeriodicInterval
from .gaussian_random_field import FourierModes, GaussianRandomField


class PeriodicRandomField(eqx.Module):
    r"""Smooth periodic random fields with zero mean, on an interval or a rectangle.

    In coordinates in which the domain is of unit size,

    $$g \sim N(0, \sigma^2 (-\nabla^2 + \tau^2)^{-\alpha})$$

    without its constant mode. Li et al. (2021, arXiv 2010.08895) start Burgers' equation from
    `alpha=2, tau=5, sigma=25`, and the Navier-Stokes equation from `alpha=2.5, tau=7,
    sigma=7**1.5`; this is the `sigma` of their code, the paper prints its root for the latter.

    A key stands for a function: the same one at every resolution and in every precision.
    """

    alpha: float = 2.5
    tau: float = 7.0
    sigma: float = 7.0**1.5
    modes: FourierModes = FourierModes(64)

    def __check_init__(self):
        if self.alpha <= 0 or self.tau < 0 or self.sigma < 0:
            raise ClosuraxError(
                f"`alpha` = {self.alpha} must be positive, `tau` = {self.tau} and `sigma` = "
                f"{self.sigma} not negative."
            )

    def __call__(
        self, grid: PeriodicInterval | SpectralGrid, key: Key[Array, ""]
    ) -> Float[Array, "..."]:
        """The field of `key` on the points of `grid`, in jax's floating-point type."""
        if isinstance(grid, SpectralGrid):
            field = GaussianRandomField(self.alpha, self.tau, self.sigma, self.modes)
            return field(grid.x / grid.length_x, grid.y / grid.length_y, key=key)
        dtype = jnp.result_type(float)
        squared = self.modes.wavenumbers() ** 2
        squared[0] = np.inf
        spread = self.sigma * (squared + self.tau**2) ** (-self.alpha / 2)
        # Drawn in single precision, since double precision would draw other numbers.
        noise = jax.random.normal(key, spread.shape, jnp.float32).astype(dtype)
        basis = jnp.asarray(self.modes.at(grid.x / grid.length), dtype)
        return jnp.matmul(
            basis, jnp.asarray(spread, dtype) * noise, precision=jax.lax.Precision.HIGHEST
        )

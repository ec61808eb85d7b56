"""Gaussian random fields on the unit square, from which coefficients and initial states come."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..errors import ClosuraxError


class AbstractModes(eqx.Module):
    """Orthonormal eigenfunctions of the second derivative on the unit interval."""

    @abstractmethod
    def wavenumbers(self) -> Float[np.ndarray, " mode"]:
        """The wavenumber of each mode in rad per unit length; the first one is zero."""

    @abstractmethod
    def at(self, points: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point mode"]:
        """The modes at points of the unit interval."""


class CosineModes(AbstractModes):
    r"""$1$ and $\sqrt{2} \cos(k \pi x)$ for $k < $ `count`: no slope at both ends (Neumann)."""

    count: int = eqx.field(static=True, default=256)

    def wavenumbers(self) -> Float[np.ndarray, " mode"]:
        return np.pi * np.arange(self.count)

    def at(self, points: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point mode"]:
        modes = np.sqrt(2) * np.cos(np.outer(points, self.wavenumbers()))
        modes[:, 0] = 1.0
        return modes


class FourierModes(AbstractModes):
    r"""$1$, $\sqrt{2} \cos(2 \pi k x)$ and $\sqrt{2} \sin(2 \pi k x)$ for $k < $ `count`."""

    count: int = eqx.field(static=True, default=128)

    def wavenumbers(self) -> Float[np.ndarray, " mode"]:
        return 2 * np.pi * ((np.arange(2 * self.count - 1) + 1) // 2)

    def at(self, points: Float[np.ndarray, " point"]) -> Float[np.ndarray, "point mode"]:
        phase = np.outer(points, self.wavenumbers())
        modes = np.sqrt(2) * np.cos(phase)
        modes[:, 2::2] = np.sqrt(2) * np.sin(phase[:, 2::2])
        modes[:, 0] = 1.0
        return modes


class GaussianRandomField(eqx.Module):
    r"""Random functions on the unit square with zero mean and a Matern-like covariance.

    $$g \sim N(0, \sigma^2 (-\nabla^2 + \tau^2)^{-\alpha}), \qquad
    g = \sigma \sum_{k, l} (\kappa_k^2 + \kappa_l^2 + \tau^2)^{-\alpha / 2}
    \xi_{kl} \phi_k(x) \phi_l(y),$$

    with independent standard normal $\xi$. The constant mode is left out, so that every field
    has zero mean, as in the recipes of Li et al. (2021, arXiv 2010.08895), where
    $\sigma = \tau^{\alpha - 1}$, and of de Hoop et al. (2022, arXiv 2203.13181).

    A key stands for a function: the same one at every resolution and in every precision. On
    grids that do not resolve all modes the function is sampled, not filtered.
    """

    alpha: float = 2.0
    tau: float = 3.0
    sigma: float = 1.0
    modes: AbstractModes = CosineModes()

    def __check_init__(self):
        if self.alpha <= 0 or self.tau < 0 or self.sigma < 0:
            raise ClosuraxError(
                f"`alpha` = {self.alpha} must be positive, `tau` = {self.tau} and `sigma` = "
                f"{self.sigma} not negative."
            )

    def __call__(
        self,
        x: Float[np.ndarray, " nx"],
        y: Float[np.ndarray, " ny"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "nx ny"]:
        """The field of `key` on the grid of the coordinates `x` and `y` in the unit interval.

        It comes in jax's floating-point type and has the units of `sigma`.
        """
        dtype = jnp.result_type(float)
        kappa = self.modes.wavenumbers()
        squared = np.add.outer(kappa**2, kappa**2)
        squared[0, 0] = np.inf
        spread = self.sigma * (squared + self.tau**2) ** (-self.alpha / 2)
        # Drawn in single precision, since double precision would draw other numbers.
        noise = jax.random.normal(key, spread.shape, jnp.float32).astype(dtype)
        amplitudes = jnp.asarray(spread, dtype) * noise
        along_x, along_y = (jnp.asarray(self.modes.at(points), dtype) for points in (x, y))
        return jnp.einsum(
            "ik,kl,jl->ij", along_x, amplitudes, along_y, precision=jax.lax.Precision.HIGHEST
        )

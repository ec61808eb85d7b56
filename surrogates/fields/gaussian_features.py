import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet

from .features import AbstractFeatures


class GaussianFeatures(AbstractFeatures):
    r"""Gaussians with a centre $\mu$ and, along each axis, a width $s$,

    $$G(x) = \exp\Bigl(-\frac{1}{2} \sum_d \Bigl(\frac{x_d - \mu_d}{s_d}\Bigr)^2\Bigr)$$

    (Kang et al. 2024, arXiv 2412.05994, equation 5). The sign of a width does not count. With
    $z = (x - \mu) / s$ the derivatives along an axis are $-z G / s$ and $(z^2 - 1) G / s^2$.
    """

    centres: Float[Array, "features dims"]
    widths: Float[Array, "features dims"]

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return jnp.exp(-0.5 * jnp.sum(self._scaled(point) ** 2, axis=-1))

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        value, scaled = self(point), self._scaled(point)
        gradient = -scaled / self.widths * value[:, None]
        second = (scaled**2 - 1) / self.widths**2 * value[:, None]
        return Jet(value, gradient, second)

    def _scaled(self, point: Float[Array, " dims"]) -> Float[Array, "features dims"]:
        return (point[None] - self.centres) / self.widths

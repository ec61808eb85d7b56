from typing import Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet

from .features import AbstractFeatures


class FullGaussianFeatures(AbstractFeatures):
    r"""Gaussians with a centre $\mu$ and a full covariance $\Sigma$,

    $$G(x) = \exp\Bigl(-\frac{1}{2} (x - \mu)^T \Sigma^{-1} (x - \mu)\Bigr), \qquad
    \Sigma^{-1} = L L^T,$$

    (Kang et al. 2024, arXiv 2412.05994, equation 5), so that they may lie obliquely to the axes.
    The lower triangles of the factors $L$ are any numbers, as an optimiser needs them: every
    Gaussian has such a factor. With $z = \Sigma^{-1} (x - \mu)$ the derivatives along an axis are
    $-z G$ and $(z^2 - \Sigma^{-1}_{ii}) G$.
    """

    centres: Float[Array, "features dims"]
    factors: Float[Array, "features dims dims"]
    """Of the inverse covariances; what is above the diagonal does not count."""

    @classmethod
    def along_axes(
        cls, centres: Float[Array, "features dims"], widths: Float[Array, "features dims"]
    ) -> Self:
        """Those of `GaussianFeatures(centres, widths)`, to start a training from."""
        return cls(centres, jnp.eye(centres.shape[-1], dtype=widths.dtype)[None] / widths[:, None])

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return self._value_and_slope(point)[0]

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        value, slope = self._value_and_slope(point)
        precisions = jnp.sum(jnp.tril(self.factors) ** 2, axis=-1)
        second = (slope**2 - precisions) * value[:, None]
        return Jet(value, -slope * value[:, None], second)

    def _value_and_slope(
        self, point: Float[Array, " dims"]
    ) -> tuple[Float[Array, " features"], Float[Array, "features dims"]]:
        """The values, and $z$."""
        factors = jnp.tril(self.factors)
        scaled = jnp.einsum("nij,ni->nj", factors, point[None] - self.centres)
        slope = jnp.einsum("nij,nj->ni", factors, scaled)
        return jnp.exp(-0.5 * jnp.sum(scaled**2, axis=-1)), slope

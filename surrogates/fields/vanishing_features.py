import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet, jet_at

from .features import AbstractFeatures


class VanishingFeatures(AbstractFeatures):
    r"""Features times a product of parabolas, so that they vanish on faces of a box,

    $$\phi_n(x) \prod_d \frac{4 (x_d - l_d)(u_d - x_d)}{(u_d - l_d)^2}.$$
    """

    features: AbstractFeatures
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    axes: tuple[int, ...] = eqx.field(static=True)
    """On both of whose faces they vanish."""

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return self.features(point) * self._factor(point)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        return self.features.jet(point) * jet_at(self._factor, point)

    def _factor(self, point: Float[Array, " dims"]) -> Float[Array, "1"]:
        factor = jnp.ones_like(point[:1])
        for axis in self.axes:
            low, high = self.lower[axis], self.upper[axis]
            factor = factor * (4 / (high - low) ** 2 * (point[axis] - low) * (high - point[axis]))
        return factor

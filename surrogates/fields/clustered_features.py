import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.problems import Jet

from .features import AbstractFeatures


class ClusteredFeatures(AbstractFeatures):
    r"""Features of coordinates $\xi$ that are finer at both ends of each axis, as functions of $x$,

    $$\phi_n(\xi(x)), \qquad
    x_d = \frac{l_d + u_d}{2} + \frac{u_d - l_d}{2} \sin \frac{\pi \xi_d}{2}.$$

    These are the coordinates of `closurax.physics.problems.Clustered`. At an end of an axis the
    slopes are infinite.
    """

    features: AbstractFeatures
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return self.features(2 / np.pi * jnp.arcsin(self._part(point)))

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        part = self._part(point)
        jet = self.features.jet(2 / np.pi * jnp.arcsin(part))
        left = 1 - part**2
        slope = (2 / np.pi / jnp.sqrt(left) / self._half())[None]
        bend = slope * (part / left / self._half())[None]
        return Jet(jet.value, jet.gradient * slope, jet.second * slope**2 + jet.gradient * bend)

    def _part(self, point: Array) -> Array:
        middle = (np.asarray(self.lower) + np.asarray(self.upper)) / 2
        # Rounding must not leave the box, where there are no coordinates.
        return jnp.clip((point - middle) / self._half(), -1, 1)

    def _half(self) -> np.ndarray:
        return (np.asarray(self.upper) - np.asarray(self.lower)) / 2

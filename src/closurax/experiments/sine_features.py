import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from closurax.physics.problems import Jet
from closurax.surrogates.fields import AbstractFeatures


class SineFeatures(AbstractFeatures):
    r"""Products of sines that vanish on all sides of a box,

    $$\prod_d \sin \frac{\pi k_{nd} (x_d - l_d)}{u_d - l_d}.$$
    """

    numbers: Int[Array, "features dims"]
    """$k$, from 1 on."""
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return jnp.prod(jnp.sin(self._phase(point)), axis=-1)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        phase, k = self._phase(point), self._wavenumbers(point)
        sin, slope = jnp.sin(phase), k * jnp.cos(phase)
        gradient = [
            jnp.prod(sin.at[:, axis].set(slope[:, axis]), axis=-1) for axis in range(sin.shape[1])
        ]
        value = jnp.prod(sin, axis=-1)
        return Jet(value, jnp.stack(gradient, axis=-1), -(k**2) * value[:, None])

    def _wavenumbers(self, point: Array) -> Array:
        lower, upper = (np.asarray(ends) for ends in (self.lower, self.upper))
        return jnp.pi * self.numbers.astype(point.dtype) / (upper - lower)[None]

    def _phase(self, point: Array) -> Array:
        return self._wavenumbers(point) * (point - np.asarray(self.lower))[None]

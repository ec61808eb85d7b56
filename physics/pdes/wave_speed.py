import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .gaussian_random_field import CosineModes, GaussianRandomField


class WaveSpeed(eqx.Module):
    r"""A random wave speed $c = \bar{c} + s \tanh(g)$ between $\bar{c} - s$ and $\bar{c} + s$.

    The default is that of the Helmholtz benchmark of de Hoop et al. (2022, arXiv 2203.13181,
    section 4.2): $20 + \tanh(g)$ with $g \sim N(0, (-\nabla^2 + 9)^{-2})$. They keep the 100
    cosine modes with the smallest wavenumbers; here it is the 143 with fewer than 12 half waves
    along each axis.
    """

    field: GaussianRandomField = GaussianRandomField(alpha=2.0, tau=3.0, modes=CosineModes(12))
    mean: float = 20.0
    amplitude: float = 1.0

    def __call__(
        self,
        x: Float[np.ndarray, " nx"],
        y: Float[np.ndarray, " ny"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "nx ny"]:
        """The wave speed of `key`, dimensionless, on the grid of the coordinates `x` and `y`."""
        return self.mean + self.amplitude * jnp.tanh(self.field(x, y, key=key))

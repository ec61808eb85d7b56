from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Jet

from .checked_box import checked_box
from .features import AbstractFeatures

# Numbers of polynomials are rounded up to a multiple of this, so that one compiled function serves
# many choices of degrees.
_ROUNDED = 32


class PolynomialFeatures(AbstractFeatures):
    r"""Products of Chebyshev polynomials of the coordinates, one for each axis of a box,

    $$\phi_n(x) = \prod_d T_{k_{nd}}(\xi_d), \qquad \xi_d = \frac{2 x_d - l_d - u_d}{u_d - l_d},$$

    with degrees $k$. $T_{k+1} = 2 \xi T_k - T_{k-1}$, and this differentiated once and twice, is
    how they are computed (Boyd 2001, Chebyshev and Fourier Spectral Methods, appendix A.2).
    """

    degrees: Int[Array, "features dims"]
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    computed: int = eqx.field(static=True)
    """How many polynomials are computed for each axis."""

    def __init__(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        degrees: Int[np.ndarray, "features dims"],
    ):
        """**Arguments:**

        - `lower`, `upper`: the ends of the box.
        - `degrees`: of the polynomial of each axis in each feature, at least 0.

        Raises `ClosuraxError` for an empty box, or degrees that do not fit it.
        """
        self.lower, self.upper = checked_box(lower, upper)
        features, dims = degrees.shape
        if dims != len(self.lower) or features < 1 or degrees.min() < 0:
            raise ClosuraxError(
                f"`degrees` has shape {degrees.shape}; give degrees from 0 on for at least one "
                f"feature and each of {len(self.lower)} axes."
            )
        self.degrees = jnp.asarray(degrees)
        self.computed = -(-(int(degrees.max()) + 1) // _ROUNDED) * _ROUNDED

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        return jnp.prod(self._factors(point)[0], axis=0)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        value, *derivatives = self._factors(point)

        def differentiated(factors: Array) -> Float[Array, "features dims"]:
            by_axis = [
                jnp.prod(value.at[axis].set(factors[axis]), axis=0) for axis in range(len(value))
            ]
            return jnp.stack(by_axis, axis=-1)

        return Jet(jnp.prod(value, axis=0), *map(differentiated, derivatives))

    def _factors(self, point: Array) -> list[Float[Array, "dims features"]]:
        """The factors of the features, and their two derivatives by the coordinate of the box."""
        lower = jnp.asarray(self.lower, point.dtype)
        slope = 2 / (jnp.asarray(self.upper, point.dtype) - lower)
        polynomials = _chebyshev(slope * (point - lower) - 1, self.computed)
        return [
            jnp.take_along_axis((slope**order)[None] * polynomials[order], self.degrees, axis=0).T
            for order in range(3)
        ]


def _chebyshev(x: Float[Array, " dims"], count: int) -> tuple[Array, Array, Array]:
    """The first polynomials and their two derivatives, each `(count, dims)`."""
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)

    def step(carry, _):
        before, now = carry
        after = (
            2 * x * now[0] - before[0],
            2 * now[0] + 2 * x * now[1] - before[1],
            4 * now[1] + 2 * x * now[2] - before[2],
        )
        return (now, after), before

    start = ((one, zero, zero), (x, one, zero))
    return jax.lax.scan(step, start, length=count)[1]

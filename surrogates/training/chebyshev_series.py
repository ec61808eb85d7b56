from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..fields.linear_field import LinearField
from ..fields.polynomial_features import PolynomialFeatures

_COUNTS = (16, 32, 64, 128)


def chebyshev_series(
    function: Callable[[Array], Array], lower: float, upper: float, tolerance: float
) -> LinearField | None:
    """A function of one variable as a field of as few Chebyshev polynomials as it needs.

    **Arguments:**

    - `function`: maps an array, (1,), to an array, (values,); a module if it holds arrays. It is
        called at up to 240 places.
    - `lower`, `upper`: the ends of the interval.
    - `tolerance`: how large the last quarter of the coefficients may be, relative to the largest.

    **Returns:**

    The field; `None` if 128 polynomials are not enough.
    """
    for count in _COUNTS:
        angles = np.pi * (np.arange(count) + 0.5) / count
        places = lower + (upper - lower) * (np.cos(angles) + 1) / 2
        values = np.asarray(_at_all(function, jnp.asarray(places)[:, None]))
        weights = 2 / count * np.cos(np.outer(np.arange(count), angles)) @ values
        weights[0] /= 2
        sizes = np.abs(weights).max(axis=1)
        if sizes[-count // 4 :].max() <= tolerance * sizes.max():
            features = PolynomialFeatures((lower,), (upper,), np.arange(count)[:, None])
            return LinearField(features, jnp.asarray(weights))
    return None


@eqx.filter_jit
def _at_all(function: Callable[[Array], Array], places: Float[Array, "places 1"]) -> Array:
    return jax.lax.map(function, places)

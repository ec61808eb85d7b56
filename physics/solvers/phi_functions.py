"""Coefficients of exponential integrators without cancellation."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex

from .diagonal_linear_term import Diagonal

CONTOUR_POINTS = 32


def contour_mean(
    function: Callable[[Complex[Array, "points *modes"]], Complex[Array, "points *modes"]],
    z: Diagonal,
) -> Diagonal:
    r"""Evaluates an entire function of `z` whose closed form divides by powers of `z`.

    Cauchy's integral over a circle around each `z`, by the trapezoidal rule, avoids the
    cancellation at small `z`: Kassam and Trefethen 2005, SIAM J. Sci. Comput. 26, 1214,
    section 3. The circle has radius two where `abs(z) < 1`. Elsewhere the closed form is
    accurate itself, and a circle could come close to the origin: the radius is zero. A real
    `z` gives a real result.
    """
    half_step = np.pi / CONTOUR_POINTS
    angles = half_step * (2 * np.arange(CONTOUR_POINTS) + 1)
    complex_dtype = np.result_type(z.dtype, np.complex64)
    roots = jnp.asarray(np.exp(1j * angles), complex_dtype)
    roots = lax.expand_dims(roots, tuple(range(1, z.ndim + 1)))
    radius = jnp.where(jnp.abs(z) < 1, 2, 0).astype(complex_dtype)
    points = lax.expand_dims(z.astype(complex_dtype), (0,)) + lax.expand_dims(radius, (0,)) * roots
    mean = jnp.mean(function(points), axis=0)
    return mean if jnp.iscomplexobj(z) else mean.real

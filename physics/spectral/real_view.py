"""Complex coefficients as real arrays with a leading axis of length two.

diffrax carries complex states only with a warning, and optimisers treat complex leaves
inconsistently. A real view costs nothing measurable (XLA removes the conversion), so every
state that leaves a model is one.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float


def to_real_view(coefficients: Complex[Array, "*modes"]) -> Float[Array, "2 *modes"]:
    return jnp.stack([coefficients.real, coefficients.imag])


def from_real_view(view: Float[Array, "2 *modes"]) -> Complex[Array, "*modes"]:
    return lax.complex(view[0], view[1])

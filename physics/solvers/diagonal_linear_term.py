"""The linear part of a semilinear equation, diagonal in spectral space."""

import diffrax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from ..spectral.real_view import from_real_view, to_real_view

Diagonal = Float[Array, "*modes"] | Complex[Array, "*modes"]


class DiagonalLinearTerm(diffrax.AbstractTerm):
    r"""The term $L y$ of $\mathrm{d}y/\mathrm{d}t = L y + N(t, y)$ with diagonal $L$.

    The state is the real view of spectral coefficients. The exponential solvers read
    `diagonal`; diffrax's own IMEX solvers use this like any other term. A complex diagonal is
    kept as two real arrays, because diffrax warns about complex leaves.
    """

    growth_rate: Float[Array, "*modes"]
    angular_frequency: Float[Array, "*modes"] | None

    def __init__(self, diagonal: Diagonal):
        """**Arguments:**

        - `diagonal`: in s-1, real or complex.
        """
        self.growth_rate = diagonal.real
        self.angular_frequency = diagonal.imag if jnp.iscomplexobj(diagonal) else None

    @property
    def diagonal(self) -> Diagonal:
        if self.angular_frequency is None:
            return self.growth_rate
        return lax.complex(self.growth_rate, self.angular_frequency)

    def vf(self, t, y, args):
        return scale(self.diagonal, y)

    def contr(self, t0, t1, **kwargs):
        return t1 - t0

    def prod(self, vf, control):
        return vf * jnp.asarray(control, vf.dtype)


def scale(diagonal: Diagonal, view: Float[Array, "parts *modes"]) -> Float[Array, "parts *modes"]:
    """Multiplies the coefficients behind a real view by a real or complex diagonal.

    With a real diagonal the first axis of the view may also be that of several fields.
    """
    if jnp.iscomplexobj(diagonal):
        return to_real_view(diagonal * from_real_view(view))
    return lax.expand_dims(diagonal, (0,)) * view

import jax.numpy as jnp

from .diagonal_linear_term import scale
from .exponential_solver import AbstractExponentialSolver
from .phi_functions import phi_functions


class ETDRK2(AbstractExponentialSolver):
    r"""Exponential time differencing, Runge-Kutta of second order.

    $a = e^{z} y + h \varphi_1(z) N(y)$,
    $y_1 = a + h \varphi_2(z) \left(N(a) - N(y)\right)$ with $z = h L$.

    Cox and Matthews 2002, J. Comput. Phys. 176, 430, equations 20 to 22.
    """

    def order(self, terms):
        return 2

    def coefficients(self, linear, h):
        z = h * linear
        phi1, phi2, _ = phi_functions(z)
        return {"e": jnp.exp(z), "phi1": h * phi1, "phi2": h * phi2}

    def advance(self, coefficients, nonlinear, t0, t1, h, y0):
        c = coefficients
        n0 = nonlinear(t0, y0)
        a = scale(c["e"], y0) + scale(c["phi1"], n0)
        return a + scale(c["phi2"], nonlinear(t1, a) - n0)

import jax.numpy as jnp

from .diagonal_linear_term import scale
from .exponential_solver import AbstractExponentialSolver
from .phi_functions import contour_mean


class ETDRK4(AbstractExponentialSolver):
    r"""Exponential time differencing, Runge-Kutta of fourth order.

    Cox and Matthews 2002, J. Comput. Phys. 176, 430, equations 26 to 29, with the coefficients
    evaluated as in Kassam and Trefethen 2005, SIAM J. Sci. Comput. 26, 1214.
    """

    def order(self, terms):
        return 4

    def coefficients(self, linear, h):
        z = h * linear
        return {
            "e": jnp.exp(z),
            "e_half": jnp.exp(z / 2),
            "q": h * contour_mean(lambda z: (jnp.exp(z / 2) - 1) / z, z),
            "first": h * contour_mean(_first, z),
            "middle": h * contour_mean(_middle, z),
            "last": h * contour_mean(_last, z),
        }

    def advance(self, coefficients, nonlinear, t0, t1, h, y0):
        c = coefficients
        half = t0 + (t1 - t0) / 2
        n0 = nonlinear(t0, y0)
        y0_half = scale(c["e_half"], y0)
        a = y0_half + scale(c["q"], n0)
        na = nonlinear(half, a)
        b = y0_half + scale(c["q"], na)
        nb = nonlinear(half, b)
        d = scale(c["e_half"], a) + scale(c["q"], 2 * nb - n0)
        nd = nonlinear(t1, d)
        return (
            scale(c["e"], y0)
            + scale(c["first"], n0)
            + scale(c["middle"], na + nb)
            + scale(c["last"], nd)
        )


def _first(z):
    return (-4 - z + jnp.exp(z) * (4 - 3 * z + z**2)) / z**3


def _middle(z):
    return 2 * (2 + z + jnp.exp(z) * (z - 2)) / z**3


def _last(z):
    return (-4 - 3 * z - z**2 + jnp.exp(z) * (4 - z)) / z**3

import jax.numpy as jnp

from .diagonal_linear_term import scale
from .exponential_solver import AbstractExponentialSolver
from .phi_functions import phi_functions


class ETDRK4(AbstractExponentialSolver):
    r"""Exponential time differencing, Runge-Kutta of fourth order.

    Cox and Matthews 2002, J. Comput. Phys. 176, 430, equations 26 to 29, with the
    coefficients free of cancellation: see `phi_functions`.
    """

    def order(self, terms):
        return 4

    def coefficients(self, linear, h):
        z = h * linear
        phi1, phi2, phi3 = phi_functions(z)
        return {
            "e": jnp.exp(z),
            "e_half": jnp.exp(z / 2),
            "q": h / 2 * phi_functions(z / 2)[0],
            "first": h * (phi1 - 3 * phi2 + 4 * phi3),
            "middle": h * (2 * phi2 - 4 * phi3),
            "last": h * (4 * phi3 - phi2),
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

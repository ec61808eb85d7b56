import jax.numpy as jnp

from .diagonal_linear_term import scale
from .exponential_solver import AbstractExponentialSolver


class IFRK4(AbstractExponentialSolver):
    r"""Integrating factor with the classical Runge-Kutta method of fourth order.

    Solves for $e^{-t L} y$, whose equation has no stiff linear part: Canuto, Hussaini,
    Quarteroni and Zang, Spectral Methods in Fluid Dynamics (1988), section 4.4.2. Cheaper a
    step than `ETDRK4`, with larger error constants where the linear part is stiff.
    """

    def order(self, terms):
        return 4

    def coefficients(self, linear, h):
        return {"e": jnp.exp(h * linear), "e_half": jnp.exp(h / 2 * linear)}

    def advance(self, coefficients, nonlinear, t0, t1, h, y0):
        e, e_half = coefficients["e"], coefficients["e_half"]
        half = t0 + (t1 - t0) / 2
        k1 = nonlinear(t0, y0)
        k2 = nonlinear(half, scale(e_half, y0 + h / 2 * k1))
        y0_half = scale(e_half, y0)
        k3 = nonlinear(half, y0_half + h / 2 * k2)
        k4 = nonlinear(t1, scale(e_half, y0_half + h * k3))
        return scale(e, y0 + h / 6 * k1) + scale(e_half, h / 3 * (k2 + k3)) + h / 6 * k4

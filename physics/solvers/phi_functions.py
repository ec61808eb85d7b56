"""The functions whose combinations are the coefficients of exponential integrators."""

import math

import jax.numpy as jnp

from .diagonal_linear_term import Diagonal

_SERIES_TERMS = 18


def phi_functions(z: Diagonal) -> tuple[Diagonal, Diagonal, Diagonal]:
    r"""$\varphi_1, \varphi_2, \varphi_3$, with
    $\varphi_k(z) = \left(\varphi_{k-1}(z) - 1 / (k - 1)!\right) / z$ and $\varphi_0 = e^z$.

    The closed form loses all digits at small $z$ (Kassam and Trefethen 2005, SIAM J. Sci.
    Comput. 26, 1214, section 3, who integrate around it in the complex plane). Here the Taylor
    series $\varphi_k(z) = \sum_j z^j / (j + k)!$ serves where `abs(z) < 1`: exact to double
    precision, and cheap enough to be evaluated at every change of the step size.
    """
    is_small = jnp.abs(z) < 1
    small = jnp.where(is_small, z, 0)
    third = jnp.zeros_like(z)
    for j in reversed(range(_SERIES_TERMS)):
        third = small * third + 1 / math.factorial(j + 3)
    second = small * third + 1 / 2
    first = small * second + 1

    large = jnp.where(is_small, 1, z)
    first_large = jnp.expm1(large) / large
    second_large = (first_large - 1) / large
    third_large = (second_large - 1 / 2) / large
    return (
        jnp.where(is_small, first, first_large),
        jnp.where(is_small, second, second_large),
        jnp.where(is_small, third, third_large),
    )

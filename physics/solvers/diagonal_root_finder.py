"""The exact implicit solve of diffrax's IMEX methods for a diagonal linear term."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Complex, Float

from ..spectral.real_view import from_real_view, to_real_view


class _State(eqx.Module):
    slope: Complex[Array, "*modes"] | Float[Array, "*modes"]
    done: Bool[Array, ""]


class DiagonalRootFinder(optx.AbstractRootFinder[Any, Any, Any, Any]):
    """Finds the root of an affine, diagonal function of spectral coefficients in one step.

    Give it to diffrax's IMEX solvers in place of their dense Newton iteration:
    `diffrax.KenCarp4(root_finder=DiagonalRootFinder())`. The terms must be
    `diffrax.MultiTerm(explicit_term, DiagonalLinearTerm(...))`.
    """

    complex_coefficients: bool = eqx.field(static=True, default=True)
    """Whether the state is the real view of complex coefficients; else it is real itself."""
    rtol: float = 0.0
    atol: float = 0.0
    norm: Any = optx.max_norm

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        if "init_state" in options:
            return options["init_state"]
        zero = jnp.zeros_like(y)
        one = self._to_state(jnp.ones_like(self._from_state(y)))
        slope = self._from_state(fn(one, args)[0]) - self._from_state(fn(zero, args)[0])
        return _State(slope, done=jnp.array(False))

    def step(self, fn, y, args, options, state, tags):
        residual, aux = fn(y, args)
        y = y - self._to_state(self._from_state(residual) / state.slope)
        return y, _State(state.slope, done=jnp.array(True)), aux

    def terminate(self, fn, y, args, options, state, tags):
        return state.done, optx.RESULTS.successful

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        return y, aux, {}

    def _from_state(self, state):
        return from_real_view(state) if self.complex_coefficients else state

    def _to_state(self, coefficients):
        return to_real_view(coefficients) if self.complex_coefficients else coefficients

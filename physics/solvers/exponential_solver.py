"""What the exponential solvers share: the term structure and the cached coefficients."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .diagonal_linear_term import Diagonal, DiagonalLinearTerm

State = Float[Array, "2 *modes"]
Coefficients = dict[str, Diagonal]
_SolverState = tuple[Float[Array, ""], Coefficients]


class AbstractExponentialSolver(diffrax.AbstractSolver[_SolverState]):
    r"""A diffrax solver for $\mathrm{d}y/\mathrm{d}t = L y + N(t, y)$ with diagonal $L$.

    Takes `diffrax.MultiTerm(explicit_term, DiagonalLinearTerm(L))`, the order in which
    diffrax's own IMEX solvers take their terms. The coefficients depend on the step size alone
    and are kept in the solver state; they are recomputed when the step size changes by more
    than the rounding of the times. Dense output (`SaveAt(ts=...)`) is linear between steps, so
    let steps end where output is wanted.
    """

    term_structure: ClassVar = diffrax.MultiTerm[
        tuple[diffrax.AbstractTerm[Any, Any], DiagonalLinearTerm]
    ]
    interpolation_cls: ClassVar[Callable] = diffrax.LocalLinearInterpolation

    @abstractmethod
    def coefficients(self, linear: Diagonal, h: Diagonal) -> Coefficients:
        """What `advance` multiplies with, for the step size `h` in the dtype of `linear`."""

    @abstractmethod
    def advance(
        self,
        coefficients: Coefficients,
        nonlinear: Callable[[Any, State], State],
        t0: Float[Array, ""],
        t1: Float[Array, ""],
        h: Float[Array, ""],
        y0: State,
    ) -> State:
        """One step from `t0` to `t1`; `nonlinear(t, y)` is the explicit part.

        The step size `h` has the precision of the state. It is negative, while `t1 > t0`, when
        diffrax integrates backward in time.
        """

    def init(self, terms, t0, t1, y0, args) -> _SolverState:
        explicit, linear = terms.terms
        h = jnp.asarray(explicit.contr(t0, t1), y0.dtype)
        return h, self._coefficients(linear, h)

    def step(self, terms, t0, t1, y0, args, solver_state: _SolverState, made_jump):
        del made_jump
        explicit, linear = terms.terms
        h = jnp.asarray(explicit.contr(t0, t1), y0.dtype)
        cached_h, cached = solver_state
        t_scale = jnp.maximum(jnp.abs(t0), jnp.abs(t1)).astype(y0.dtype)
        rounding = 8 * jnp.finfo(y0.dtype).eps * t_scale
        h, coefficients = lax.cond(
            jnp.abs(h - cached_h) <= rounding,
            lambda: (cached_h, cached),
            lambda: (h, self._coefficients(linear, h)),
        )
        y1 = self.advance(coefficients, lambda t, y: explicit.vf(t, y, args), t0, t1, h, y0)
        dense_info = dict(y0=y0, y1=y1)
        return y1, None, dense_info, (h, coefficients), diffrax.RESULTS.successful

    def _coefficients(self, linear, h) -> Coefficients:
        diagonal = unwrap(linear).diagonal
        return self.coefficients(diagonal, h.astype(diagonal.dtype))

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


def unwrap(term: diffrax.AbstractTerm) -> Any:
    """The term inside what `diffeqsolve` wraps around it for the direction of time."""
    return getattr(term, "term", term)

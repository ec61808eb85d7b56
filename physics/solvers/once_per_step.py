"""Schemes called once per time step, as operational models do."""

from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import PyTree

from .exponential_solver import unwrap

State = tuple[PyTree, PyTree]


class OncePerStepTerm(diffrax.AbstractTerm):
    """The dynamics of a model and its schemes, kept apart for `OncePerStep`.

    The state is `(fields, memory)`, with the memory of every scheme that has one.

    - `dynamics`: terms whose `args` are `(args, scheme_tendency)`;
    - `call_schemes`: `(t, fields, memory, args) -> (scheme_tendency, memory)`;
    - `adjust`: `(t, dt, fields, args) -> fields`, what happens at once at `t`, the end of a step
        of `dt`.
    """

    dynamics: diffrax.AbstractTerm
    call_schemes: Any
    adjust: Any = None

    def vf(self, t, y: State, args):
        fields, memory = y
        held, _ = self.call_schemes(t, fields, memory, args)
        control = self.dynamics.contr(0.0, 1.0)
        tendency = self.dynamics.vf_prod(t, fields, (args, held), control)
        return tendency, jtu.tree_map(jnp.zeros_like, memory)

    def contr(self, t0, t1, **kwargs):
        return t1 - t0

    def prod(self, vf, control):
        return jtu.tree_map(lambda leaf: leaf * jnp.asarray(control, leaf.dtype), vf)


class OncePerStep(diffrax.AbstractWrappedSolver):
    """Calls the schemes at the start of each step and holds their tendency over its stages.

    A scheme with memory is a map from one step to the next, so it cannot be called at the
    stages of a Runge-Kutta step; an expensive scheme need not be. The splitting is of first
    order in the step size for the schemes' part; the dynamics keep the order of `solver`. What a
    model adjusts at the end of a step, it adjusts here. Time must run forward.
    """

    solver: diffrax.AbstractSolver  # type: ignore[misc]  # mypy takes AbstractVar for a ClassVar

    term_structure: ClassVar = OncePerStepTerm
    interpolation_cls: ClassVar = diffrax.LocalLinearInterpolation

    def order(self, terms):
        return 1

    def init(self, terms, t0, t1, y0: State, args):
        terms = unwrap(terms)
        fields, memory = y0
        tendency, _ = eqx.filter_eval_shape(terms.call_schemes, t0, fields, memory, args)
        tendency = jtu.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tendency)
        return self.solver.init(terms.dynamics, t0, t1, fields, (args, tendency))

    def step(self, terms, t0, t1, y0: State, args, solver_state, made_jump):
        terms = unwrap(terms)
        fields, memory = y0
        tendency, memory = terms.call_schemes(t0, fields, memory, args)
        fields, _, _, solver_state, result = self.solver.step(
            terms.dynamics, t0, t1, fields, (args, tendency), solver_state, made_jump
        )
        if terms.adjust is not None:
            fields = terms.adjust(t1, t1 - t0, fields, args)
        y1 = (fields, memory)
        return y1, None, dict(y0=y0, y1=y1), solver_state, result

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from closurax.physics.errors import ClosuraxError

from ..fields.linear_field import LinearField
from .damped_step import DampingState, damped_step
from .field_optimiser import AbstractFieldOptimiser, Equations


class ProjectionState(NamedTuple):
    """What a step of `VariableProjection` leaves to the next one."""

    damping: DampingState
    """Of the arrays that are not solved for."""
    loss: Float[Array, ""]
    """Infinite where the weights have not been solved for at these points."""


class ProjectedRows(NamedTuple):
    """The equations as a function of what is not solved for."""

    matrix: Float[Array, "rows others"]
    """Kaufman's approximation of the derivatives of the projected residuals."""
    values: Float[Array, " rows"]
    """The projected residuals."""
    prediction: Callable[[Array], Array]
    """The change of the weights with that of the others."""


def weights_of(parameters: PyTree) -> PyTree:
    """The weights of a `LinearField`.

    Raises `ClosuraxError` for another field.
    """
    if not isinstance(parameters, LinearField):
        raise ClosuraxError(
            f"A {type(parameters).__name__} is not linear in `weights`; say what it is linear in, "
            "`VariableProjection(lambda field: ...)`, or take a LinearField."
        )
    return parameters.weights


class VariableProjection(AbstractFieldOptimiser[ProjectionState]):
    r"""Damped steps of Gauss and Newton for centres and widths alone, with the weights always
    those of regularised least squares.

    For residuals $A(\theta) w + b(\theta)$, what is lowered is a function of $\theta$ alone,

    $$\min_w |A w + b|^2 + \mu |w|^2 = |P b|^2, \qquad P = 1 - A A^+,$$

    with $\sqrt{\mu}$ times the weights as more rows of $A$ (Golub and Pereyra 2003, Inverse
    Problems 19, R1). Its derivatives are approximated by $P \, \partial_\theta (A w + b)$ (Kaufman
    1975, BIT 15, 49), whose gradient is exact. A step is that of `LevenbergMarquardt` with these
    derivatives, and each of its trials solves for the weights by a QR decomposition.

    **Which problems**: equations and conditions linear in the field, for which that is exact. For
    others the weights are those of one step of Gauss and Newton from where the linear problem
    expects them, and what raises the sum is refused; near a solution that is as good.

    $\mu$ matters: Gaussians that overlap are nearly dependent, and without it the weights are
    those of cancelling Gaussians, huge, and tie the centres down. `solve_weights` at the end takes
    its bias away. The work of a step is that of a `LevenbergMarquardt` step and some
    decompositions of rows x weights: it is for some hundred weights, in double precision.
    """

    linear: Callable[[PyTree], Any] = eqx.field(static=True, default=weights_of)
    """Which arrays the field is linear in, as in `equinox.tree_at`."""
    damping: float = eqx.field(static=True, default=1.0)
    """$\\lambda$ at the start."""
    regularisation: float = eqx.field(static=True, default=1e-12)
    r"""$\mu$."""

    def __check_init__(self):
        if not (self.damping > 0 and self.regularisation > 0):
            raise ClosuraxError(
                f"`damping` = {self.damping} and `regularisation` = {self.regularisation} must be "
                "positive."
            )

    def init(self, parameters: PyTree, equations: Equations) -> ProjectionState:
        equations.with_rows()
        _, others = self._parts(parameters)
        vector, _ = ravel_pytree(others)
        if vector.size == 0:
            raise ClosuraxError(
                "There is nothing to train but what is solved for: `solve_weights` does that."
            )
        infinite = jnp.full((), jnp.inf, vector.dtype)
        return ProjectionState(DampingState.at_start(self.damping, vector), infinite)

    def step(
        self, parameters: PyTree, state: ProjectionState, equations: Equations
    ) -> tuple[PyTree, ProjectionState, Float[Array, ""]]:
        before, parameters = jax.lax.cond(
            jnp.isfinite(state.loss),
            lambda parameters: (state.loss, parameters),
            lambda parameters: (equations.loss(parameters), self._lower(parameters, equations)),
            parameters,
        )
        rows = self.projected(parameters, equations)
        weights, others = self._parts(parameters)
        vector, unravel = ravel_pytree(others)
        start, unravel_weights = ravel_pytree(weights)

        def attempt(change):
            expected = unravel_weights(start + rows.prediction(change))
            moved = self.solved(eqx.combine(expected, unravel(vector + change)), equations)
            loss = equations.loss(moved)
            return (moved, loss), loss + self._penalty(moved)

        loss = equations.loss(parameters)
        (moved, loss), damping = damped_step(
            rows.matrix.T @ rows.matrix, rows.values @ rows.matrix,
            loss + self._penalty(parameters), state.damping, (parameters, loss), attempt,
        )  # fmt: skip
        return moved, ProjectionState(damping, loss), before

    def renewed(
        self, state: ProjectionState, parameters: PyTree, equations: Equations
    ) -> ProjectionState:
        return state._replace(loss=jnp.full_like(state.loss, jnp.inf))

    def solved(self, parameters: PyTree, equations: Equations) -> PyTree:
        """The parameters with the weights of the least squares, linearised at those given."""
        weights, others = self._parts(parameters)
        frozen = eqx.combine(others, equations.frozen)
        matrix, values = equations.with_rows().jacobian(weights, frozen)
        vector, unravel = ravel_pytree(weights)
        _, solve = self._decomposed(matrix)
        return eqx.combine(unravel(vector - solve(self._lengthened(values, vector))), others)

    def projected(self, parameters: PyTree, equations: Equations) -> ProjectedRows:
        """The projected residuals and their derivatives, at solved weights.

        **Arguments:**

        - `parameters`: with weights that are solved for.
        - `equations`: of a `Collocation`.
        """
        matrix, values = equations.with_rows().jacobian(parameters, equations.frozen)
        linear = self._columns(parameters)
        vector, _ = ravel_pytree(self._parts(parameters)[0])
        basis, solve = self._decomposed(matrix[:, linear])
        values = self._lengthened(values, vector)
        slopes = jnp.pad(matrix[:, ~linear], ((0, vector.size), (0, 0)))
        return ProjectedRows(
            slopes - basis @ (basis.T @ slopes),
            values - basis @ (basis.T @ values),
            lambda change: -solve(values + slopes @ change),
        )

    def _lower(self, parameters: PyTree, equations: Equations) -> PyTree:
        """With solved weights, unless the equations are so far from linear that this is worse."""
        solved = self.solved(parameters, equations)
        before = equations.loss(parameters) + self._penalty(parameters)
        better = equations.loss(solved) + self._penalty(solved) < before
        return jax.tree.map(lambda new, old: jnp.where(better, new, old), solved, parameters)

    def _penalty(self, parameters: PyTree) -> Float[Array, ""]:
        weights, _ = ravel_pytree(self._parts(parameters)[0])
        return self.regularisation * (weights @ weights)

    def _decomposed(self, matrix: Float[Array, "rows weights"]):
        """An orthonormal basis of the lengthened columns, and their least squares."""
        weights = jnp.eye(matrix.shape[1], dtype=matrix.dtype)
        lengthened = jnp.concatenate([matrix, self.regularisation**0.5 * weights])
        basis, triangle = jnp.linalg.qr(lengthened)
        return basis, lambda values: jax.scipy.linalg.solve_triangular(triangle, basis.T @ values)

    def _lengthened(self, values: Array, weights: Array) -> Array:
        return jnp.concatenate([values, self.regularisation**0.5 * weights])

    def _mask(self, parameters: PyTree) -> PyTree:
        chosen = self.linear(parameters)
        if not jax.tree.leaves(chosen):
            raise ClosuraxError("The arrays that are to be solved for are not trained.")
        none = jax.tree.map(lambda _: False, parameters)
        return eqx.tree_at(self.linear, none, jax.tree.map(lambda _: True, chosen))

    def _parts(self, parameters: PyTree) -> tuple[PyTree, PyTree]:
        return eqx.partition(parameters, self._mask(parameters))

    def _columns(self, parameters: PyTree) -> np.ndarray:
        flags = jax.tree.leaves(self._mask(parameters))
        leaves = jax.tree.leaves(parameters)
        return np.concatenate(
            [np.full(leaf.size, flag) for leaf, flag in zip(leaves, flags, strict=True)]
        )

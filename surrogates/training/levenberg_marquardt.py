import equinox as eqx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from closurax.physics.errors import ClosuraxError

from .damped_step import DampingState, damped_step
from .field_optimiser import AbstractFieldOptimiser, Equations


class LevenbergMarquardt(AbstractFieldOptimiser[DampingState]):
    r"""Damped steps of Gauss and Newton for all parameters at once,

    $$\min_\delta |r + J \delta|^2 + \lambda \sum_j D_j \delta_j^2,$$

    with the largest squared norm $D_j$ that a column of $J$ has had (Moré 1978, Lect. Notes Math.
    630, 105), but at least a hundredth of the largest of them, and with the damping $\lambda$ of
    Nielsen 1999 (IMM-REP-1999-05), by how much of a predicted reduction there is. A step solves
    until a trial is a reduction, so that the loss never rises on the same points.

    The normal equations are solved by factors of Cholesky. The work of a step is that of rows x
    parameters squared, the memory that of rows x parameters: it is for some thousand parameters,
    in double precision.
    """

    damping: float = eqx.field(static=True, default=1.0)
    """$\\lambda$ at the start."""

    def __check_init__(self):
        if not self.damping > 0:
            raise ClosuraxError(f"`damping` = {self.damping} must be positive.")

    def init(self, parameters: PyTree, equations: Equations) -> DampingState:
        equations.with_rows()
        vector, _ = ravel_pytree(parameters)
        return DampingState.at_start(self.damping, vector)

    def step(
        self, parameters: PyTree, state: DampingState, equations: Equations
    ) -> tuple[PyTree, DampingState, Float[Array, ""]]:
        vector, unravel = ravel_pytree(parameters)
        matrix, values = equations.with_rows().jacobian(parameters, equations.frozen)
        loss = values @ values

        def attempt(change):
            moved = vector + change
            return moved, equations.loss(unravel(moved))

        moved, state = damped_step(matrix.T @ matrix, values @ matrix, loss, state, vector, attempt)
        return unravel(moved), state, loss

    def renewed(
        self, state: DampingState, parameters: PyTree, equations: Equations
    ) -> DampingState:
        return state

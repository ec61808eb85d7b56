import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from closurax.physics.errors import ClosuraxError

from .field_optimiser import AbstractFieldOptimiser, Equations


class NaturalGradient(AbstractFieldOptimiser[None]):
    r"""The energy natural gradient, with the best of many step lengths (Müller and Zeinhofer 2023,
    ICML, arXiv 2302.13163).

    The energy of least squares is $|r|^2$ of residuals at points, whose metric on the parameters is
    $J^T J$, that of Gauss and Newton, and the direction

    $$\delta = -(J^T J + \min(|r|^2, \mu) \, 1)^{-1} J^T r,$$

    of which the length $2^{-k}$ with the lowest loss is taken, or none if the loss would rise. The
    metric is singular as a rule, hence the small $\mu$ in place of a pseudo-inverse; it vanishes
    with the residuals (Yamashita and Fukushima 2001, Computing Suppl. 15, 239), so that the end
    is as fast. Where `LevenbergMarquardt` turns towards the gradient, this only shortens its step.
    Work and memory are those of `LevenbergMarquardt`, and a loss for each length; double precision.
    """

    regularisation: float = eqx.field(static=True, default=1e-4)
    r"""$\mu$. Much smaller ones lead into directions in which no length helps."""
    lengths: int = eqx.field(static=True, default=20)
    """How many are tried, from 1 down."""

    def __check_init__(self):
        if not self.regularisation > 0 or self.lengths < 1:
            raise ClosuraxError(
                f"`regularisation` = {self.regularisation} must be positive, and `lengths` = "
                f"{self.lengths} at least 1."
            )

    def init(self, parameters: PyTree, equations: Equations) -> None:
        equations.with_rows()

    def step(
        self, parameters: PyTree, state: None, equations: Equations
    ) -> tuple[PyTree, None, Float[Array, ""]]:
        vector, unravel = ravel_pytree(parameters)
        matrix, values = equations.with_rows().jacobian(parameters, equations.frozen)
        loss = values @ values
        # Beyond rounding, or there are no factors.
        smallest = jnp.finfo(vector.dtype).eps * jnp.sum(matrix**2)
        added = jnp.maximum(jnp.minimum(loss, self.regularisation), smallest)
        metric = matrix.T @ matrix + added * jnp.eye(vector.size, dtype=vector.dtype)
        factors = jax.scipy.linalg.cho_factor(metric)
        direction = -jax.scipy.linalg.cho_solve(factors, values @ matrix)
        lengths = jnp.append(0.5 ** jnp.arange(self.lengths, dtype=vector.dtype), 0.0)
        losses = jax.lax.map(
            lambda length: equations.loss(unravel(vector + length * direction)), lengths
        )
        best = lengths[jnp.nanargmin(losses)]
        moved = jnp.where(best > 0, vector + best * direction, vector)
        return unravel(moved), None, loss

    def renewed(self, state: None, parameters: PyTree, equations: Equations) -> None:
        return None

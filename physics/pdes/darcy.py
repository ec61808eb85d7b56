import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jax import lax
from jaxtyping import Array, Float

from ..errors import DataError, GridMismatchError
from .conjugate_gradients import ConjugateGradients
from .diffusion_operator import DiffusionOperator
from .geometric_multigrid import GeometricMultigrid
from .points import cell_centres


class Darcy(eqx.Module):
    r"""Steady flow through a porous medium on the unit square.

    $$-\nabla \cdot (a \nabla u) = f, \qquad u = 0 \text{ on the boundary},$$

    discretised by `DiffusionOperator` on `nx` by `ny` cells of any number. Fields hold the
    values at the cell centres $((i + 1/2) / n_x, (j + 1/2) / n_y)$ and are indexed `[x, y]`;
    all quantities are dimensionless.
    """

    nx: int = eqx.field(static=True)
    ny: int = eqx.field(static=True)
    solver: ConjugateGradients

    def __init__(
        self, nx: int, ny: int | None = None, solver: ConjugateGradients = ConjugateGradients()
    ):
        """**Arguments:**

        - `nx`, `ny`: number of cells, at least 2; `ny` defaults to `nx`.
        - `solver`: how accurately `solve` works.
        """
        ny = nx if ny is None else ny
        if min(nx, ny) < 2:
            raise GridMismatchError(f"Darcy flow needs at least 2 x 2 cells, not {nx} x {ny}.")
        self.nx, self.ny, self.solver = nx, ny, solver

    @property
    def shape(self) -> tuple[int, int]:
        return self.nx, self.ny

    @property
    def x(self) -> Float[np.ndarray, " nx"]:
        return cell_centres(self.nx)

    @property
    def y(self) -> Float[np.ndarray, " ny"]:
        return cell_centres(self.ny)

    def apply(self, a: Float[Array, "nx ny"], u: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
        r"""The discrete $-\nabla \cdot (a \nabla u)$."""
        self._check(a, "a")
        self._check(u, "u")
        return DiffusionOperator(a, a)(u)

    def residual(
        self,
        a: Float[Array, "nx ny"],
        u: Float[Array, "nx ny"],
        f: float | Float[Array, ""] | Float[Array, "nx ny"] = 1.0,
    ) -> Float[Array, "nx ny"]:
        r"""$f + \nabla \cdot (a \nabla u)$: zero for the solution."""
        return self._source(f, u.dtype) - self.apply(a, u)

    def solve(
        self,
        a: Float[Array, "nx ny"],
        f: float | Float[Array, ""] | Float[Array, "nx ny"] = 1.0,
    ) -> Float[Array, "nx ny"]:
        """The solution by conjugate gradients with a multigrid V-cycle, in the precision of `a`.

        Differentiable in `a` and `f` any number of times, forward and backward: a derivative is
        one more solve, by the implicit function theorem, whatever the number of steps.

        Raises an error at run time, also inside `jit`, if `a` or `f` is not finite or `a` is
        not positive, so that the solver does not converge.
        """
        self._check(a, "a")
        operator = DiffusionOperator(a, a)
        multigrid = GeometricMultigrid(lax.stop_gradient(a))
        return lax.custom_linear_solve(
            operator,
            self._source(f, a.dtype),
            lambda matvec, b: self.solver(matvec, multigrid, b)[0],
            symmetric=True,
        )

    def solve_sparse(
        self,
        a: Float[Array | np.ndarray, "nx ny"],
        f: float | Float[Array | np.ndarray, "nx ny"] = 1.0,
    ) -> Float[np.ndarray, "nx ny"]:
        """The solution by a sparse direct solver, in double precision and outside of jax.

        For reference data: exact to rounding, and it runs in several threads at once.

        Raises `DataError` if `a` is not finite and positive.
        """
        self._check(a, "a")
        if not (np.isfinite(a).all() and np.min(a) > 0):
            raise DataError("`a` is not finite and positive everywhere; correct the coefficient.")
        source = np.broadcast_to(np.asarray(f, float), self.shape)
        factors = scipy.sparse.linalg.splu(
            self.matrix(a), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}
        )
        return factors.solve(source.ravel()).reshape(self.shape)

    def matrix(self, a: Float[Array | np.ndarray, "nx ny"]) -> scipy.sparse.csc_matrix:
        """The matrix of `apply` for fields that are flattened with y running fastest."""
        a = np.asarray(a, float)
        cell = np.arange(a.size).reshape(self.shape)
        rows, columns, values = [], [], []
        diagonal = np.zeros(self.shape)
        for axis, count in enumerate(self.shape):
            # The axis comes first in these views.
            coefficient, index, own = (np.moveaxis(array, axis, 0) for array in (a, cell, diagonal))
            face = 2 * coefficient[1:] * coefficient[:-1] / (coefficient[1:] + coefficient[:-1])
            face = face * count**2
            own[1:] += face
            own[:-1] += face
            own[0] += 2 * coefficient[0] * count**2
            own[-1] += 2 * coefficient[-1] * count**2
            for row, column in ((index[1:], index[:-1]), (index[:-1], index[1:])):
                rows.append(row.ravel())
                columns.append(column.ravel())
                values.append(-face.ravel())
        rows.append(cell.ravel())
        columns.append(cell.ravel())
        values.append(diagonal.ravel())
        entries = (np.concatenate(rows), np.concatenate(columns))
        return scipy.sparse.csc_matrix((np.concatenate(values), entries), shape=(a.size, a.size))

    def _source(self, f, dtype) -> Float[Array, "nx ny"]:
        source = jnp.asarray(f, dtype)
        if source.ndim:
            self._check(source, "f")
        return jnp.broadcast_to(source, self.shape)

    def _check(self, field: Array | np.ndarray, name: str) -> None:
        if field.shape != self.shape:
            raise GridMismatchError(
                f"`{name}` has shape {field.shape}, but this Darcy problem has {self.nx} x "
                f"{self.ny} cells; resample the field or build the problem to match."
            )

"""A multigrid V-cycle for diffusion with a variable coefficient."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from .diffusion_operator import DiffusionOperator

# An axis is coarsened if its cells are not longer than this times the shortest ones: cells
# stay nearly square, which point smoothers need.
_SLENDERNESS = 1.5
_COARSEST_CELLS = 64


class GeometricMultigrid(eqx.Module):
    r"""One V-cycle from zero: an approximate inverse of `DiffusionOperator(a, a)`.

    Symmetric and positive definite, so that it preconditions conjugate gradients. Grids of
    every size are halved, rounded up, until at most 64 cells are left, where the equation is
    solved directly. On every other level there is a red-black Gauss-Seidel sweep before and its
    adjoint after the coarser level. Corrections are interpolated linearly between cell centres
    and to the wall, and residuals are restricted by the adjoint. Coarser levels discretise the
    equation anew; their coefficient is the harmonic mean of the cells in a row along the flux,
    and the arithmetic mean of rows side by side, so that it may differ between the two
    directions.

    Wesseling (1992), An Introduction to Multigrid Methods, chapters 5 to 8.
    """

    levels: tuple[DiffusionOperator, ...]

    def __init__(self, coefficient: Float[Array, "nx ny"]):
        """**Arguments:**

        - `coefficient`: positive, one value a cell.
        """
        along_x = along_y = coefficient
        levels = [DiffusionOperator(along_x, along_y)]
        while math.prod(levels[-1].shape) > _COARSEST_CELLS:
            fine, coarse = levels[-1].shape, _coarser(levels[-1].shape)
            mean_x, mean_y = (_overlap(fine[axis], coarse[axis]) for axis in (0, 1))
            along_x = _on_axes((None, mean_y), 1 / _on_axes((mean_x, None), 1 / along_x))
            along_y = _on_axes((mean_x, None), 1 / _on_axes((None, mean_y), 1 / along_y))
            levels.append(DiffusionOperator(along_x, along_y))
        self.levels = tuple(levels)

    def __call__(self, residual: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
        """The correction of `u` for `residual = f - A u`."""
        return _cycle(self.levels, residual)


def _cycle(
    levels: tuple[DiffusionOperator, ...], residual: Float[Array, "nx ny"]
) -> Float[Array, "nx ny"]:
    operator, *coarser = levels
    if not coarser:
        return _solved_densely(operator, residual)
    to_fine = [
        None if fine == coarse else _interpolation(fine, coarse)
        for fine, coarse in zip(operator.shape, coarser[0].shape, strict=True)
    ]
    # The adjoint, scaled to keep the size of a smooth residual.
    to_coarse = [
        None if matrix is None else matrix.T * (matrix.shape[1] / matrix.shape[0])
        for matrix in to_fine
    ]
    u = _swept(operator, jnp.zeros_like(residual), residual, red_first=True)
    remainder = _on_axes(to_coarse, residual - operator(u))
    u = u + _on_axes(to_fine, _cycle(tuple(coarser), remainder))
    return _swept(operator, u, residual, red_first=False)


def _swept(
    operator: DiffusionOperator,
    u: Float[Array, "nx ny"],
    f: Float[Array, "nx ny"],
    red_first: bool,
) -> Float[Array, "nx ny"]:
    """A Gauss-Seidel sweep, one colour of the chessboard after the other."""
    black = np.add.outer(np.arange(u.shape[0]), np.arange(u.shape[1])) % 2 == 1
    inverse = 1 / operator.diagonal()

    def half(u, blacks_turn):
        chosen = black == blacks_turn
        return jnp.where(chosen, u + (f - operator(u)) * inverse, u), None

    # A scan, because every copy of the operator takes its time to compile.
    return lax.scan(half, u, jnp.asarray([not red_first, red_first]))[0]


def _solved_densely(operator: DiffusionOperator, f: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
    unit = jnp.eye(f.size, dtype=f.dtype).reshape(f.size, *f.shape)
    matrix = jax.vmap(operator)(unit).reshape(f.size, f.size)
    return jax.scipy.linalg.solve(matrix, f.ravel(), assume_a="pos").reshape(f.shape)


def _coarser(shape: tuple[int, int]) -> tuple[int, int]:
    nx, ny = ((count + 1) // 2 if _SLENDERNESS * count >= max(shape) else count for count in shape)
    return nx, ny


def _on_axes(
    matrices: Sequence[np.ndarray | None], field: Float[Array, "nx ny"]
) -> Float[Array, "mx my"]:
    """Multiplies by a matrix along each axis; `None` leaves an axis as it is."""
    # Dense, though there are two to five entries a row: on grids of up to about 500 points
    # gathers are no faster, and they take longer to compile.
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            weights = jnp.asarray(matrix, field.dtype)
            subscripts = "pi,ij->pj" if axis == 0 else "pj,ij->ip"
            field = jnp.einsum(subscripts, weights, field, precision=lax.Precision.HIGHEST)
    return field


def _overlap(fine: int, coarse: int) -> Float[np.ndarray, "coarse fine"] | None:
    """The share that fine cells have in coarse ones, for means; their sizes need not divide."""
    if fine == coarse:
        return None
    fine_edges, coarse_edges = (np.arange(count + 1) / count for count in (fine, coarse))
    upper = np.minimum.outer(coarse_edges[1:], fine_edges[1:])
    lower = np.maximum.outer(coarse_edges[:-1], fine_edges[:-1])
    return np.maximum(upper - lower, 0) * coarse


def _interpolation(fine: int, coarse: int) -> Float[np.ndarray, "fine coarse"]:
    """Linear interpolation between cell centres, and to zero on the wall."""
    position = (np.arange(fine) + 0.5) * (coarse / fine) - 0.5
    left = np.floor(position).astype(int)
    share = position - left
    row = np.arange(fine)
    with_ghosts = np.zeros((fine, coarse + 2))
    with_ghosts[row, left + 1] = 1 - share
    with_ghosts[row, left + 2] = share
    # Beyond the wall the solution is odd: a ghost cell is minus its neighbour.
    matrix = with_ghosts[:, 1:-1]
    matrix[:, 0] -= with_ghosts[:, 0]
    matrix[:, -1] -= with_ghosts[:, -1]
    return matrix

"""The symmetries of a forced flow on a grid: copies of a state that are as good as it is."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from closurax.physics.turbulence import BarotropicVorticity


class FlowSymmetries(eqx.Module):
    r"""Maps that take every solution of a model of two-dimensional flow to a solution.

    Each takes a vorticity field to $\pm \omega(A (i, j) + s)$, at the indices $(i, j)$ of the
    grid, with a rotation or reflection $A$, the sign of its determinant, and a shift $s$.
    """

    matrix: Int[Array, "symmetry 2 2"]
    shift: Int[Array, "symmetry 2"]

    @property
    def count(self) -> int:
        return len(self.shift)

    def apply(
        self, vorticity: Float[Array, "nx ny"], symmetry: Int[Array, ""]
    ) -> Float[Array, "nx ny"]:
        """The copy of a field under the symmetry of a number."""
        matrix, shift = self.matrix[symmetry], self.shift[symmetry]
        nx, ny = vorticity.shape
        i, j = np.arange(nx, dtype=np.int32)[:, None], np.arange(ny, dtype=np.int32)[None, :]
        row = (matrix[0, 0] * i + matrix[0, 1] * j + shift[0]) % nx
        column = (matrix[1, 0] * i + matrix[1, 1] * j + shift[1]) % ny
        sign = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
        return sign.astype(vorticity.dtype) * vorticity[row, column]


def flow_symmetries(model: BarotropicVorticity) -> FlowSymmetries:
    r"""The symmetries of a model without its schemes, by whole grid points; the identity is first.

    The equation has those of the domain: shifts, reflections, and if it is square rotations by 90
    degrees. A beta effect leaves only the reflection of y. A forcing leaves those which map it to
    itself: of $\cos(k_f x) + \cos(k_f y)$ the shifts by $2 \pi / k_f$ along each axis, the
    rotations, and the reflections with a shift by $\pi / k_f$ along both, because a reflection
    changes the sign of the vorticity.
    """
    grid = model.grid
    forcing = np.zeros(grid.shape)
    if model.forcing is not None:
        forcing = np.fft.irfft2(np.asarray(model.forcing(grid, jnp.float32)), s=grid.shape)
    is_square = (grid.nx, grid.length_x) == (grid.ny, grid.length_y)
    has_beta = not (isinstance(model.beta, float | int) and model.beta == 0)
    matrices, shifts = [], []
    for matrix in _matrices(is_square, has_beta):
        for shift in _shifts_that_keep(forcing, matrix):
            matrices.append(matrix)
            shifts.append(shift)
    return FlowSymmetries(jnp.asarray(matrices, jnp.int32), jnp.asarray(shifts, jnp.int32))


def _matrices(is_square: bool, has_beta: bool) -> list[np.ndarray]:
    signs = [(1, 1), (1, -1)] if has_beta else list(itertools.product((1, -1), repeat=2))
    straight = [np.diag(sign) for sign in signs]
    turned = [matrix[::-1] for matrix in straight] if is_square and not has_beta else []
    return straight + turned


def _shifts_that_keep(forcing: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    nx, ny = forcing.shape
    i, j = np.indices((nx, ny))
    sign = round(np.linalg.det(matrix))
    moved = (
        sign
        * forcing[
            (matrix[0, 0] * i + matrix[0, 1] * j) % nx, (matrix[1, 0] * i + matrix[1, 1] * j) % ny
        ]
    )
    # |moved(shifted) - forcing|^2 for all shifts at once, from the correlation of the two. The
    # shift is of the argument of `forcing`, after the matrix.
    correlation = np.fft.ifft2(np.conj(np.fft.fft2(forcing)) * np.fft.fft2(moved)).real
    square = np.sum(forcing**2)
    mismatch = 2 * square - 2 * correlation
    at = np.argwhere(mismatch <= 1e-5 * square)
    return (at @ matrix.T) % np.array([nx, ny])

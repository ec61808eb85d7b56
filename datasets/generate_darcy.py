"""Data sets of the Darcy benchmarks: random coefficients and the solutions for them."""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from closurax.physics.description import describe
from closurax.physics.errors import DataError
from closurax.physics.pdes import (
    AbstractCoefficient,
    ConjugateGradients,
    Darcy,
    cell_centres,
    smooth_two_valued,
)

from .sample_file import SampleLayout, write_samples


def generate_darcy(
    path: str | os.PathLike,
    *,
    samples: int = 1000,
    seed: int = 0,
    coefficient: AbstractCoefficient = smooth_two_valued(),
    shape: tuple[int, int] = (64, 64),
    refinement: int = 5,
    workers: int = 1,
    resume: bool = False,
    progress: bool = True,
) -> None:
    r"""Writes random coefficients `a` and solutions `u` of $-\nabla \cdot (a \nabla u) = 1$.

    Both are point values at the cell centres of a grid of the unit square, u = 0 around it, of
    an equation that is solved on a finer grid, in double precision to a relative residual of
    1e-11.
    The file has float32 variables `a` and `u` over `(sample, x, y)`; `open_fields` opens it.
    Sample `i` has the coefficient of the key `fold_in(key(seed), i)`.

    Killing the process loses only what is not yet on disk; a resumed file is byte for byte the
    uninterrupted one (on the same machine and versions).

    **Arguments:**

    - `path`: of the netCDF file.
    - `samples`: how many.
    - `seed`: of all coefficients.
    - `coefficient`: such as `smooth_two_valued()`, `rough_two_valued()` or
        `TrigonometricCoefficient()`.
    - `shape`: number of grid points along x and y in the file.
    - `refinement`: how many times more cells the fine grid has along each axis; odd, so that
        every point in the file is the centre of a fine cell.
    - `workers`: number of threads.
    - `resume`: whether to go on where an earlier call was killed.
    - `progress`: whether to show a bar.

    Raises `DataError` if there is a file already and `resume` is off, if it was made with other
    settings, or if `refinement` is not odd.
    """
    if refinement < 1 or refinement % 2 == 0:
        raise DataError(f"`refinement` is {refinement}; give an odd number such as 5.")
    nx, ny = shape
    fine = Darcy(nx * refinement, ny * refinement, ConjugateGradients(rtol=1e-11))
    layout = SampleLayout(
        x=cell_centres(nx),
        y=cell_centres(ny),
        points="cell centre",
        variables={"a": "diffusion coefficient, dimensionless", "u": "solution, dimensionless"},
        recipe={
            "title": "Darcy flow with a random coefficient",
            "equation": "-div(a grad u) = 1 on (0,1)^2",
            "boundary": "dirichlet: u = 0 on the whole boundary; no stored point lies on it",
            "grid_convention": (
                f"cell-centred: x_i = (i+1/2)/{nx}, y_j = (j+1/2)/{ny}; point values at those "
                "centres; array axes are (sample, x, y)"
            ),
            "coefficient": describe(coefficient),
            "solver": (
                "cell-centred finite volumes, harmonic face means; conjugate gradients with "
                "multigrid, relative residual 1e-11, float64"
            ),
            "refinement": refinement,
            "seed": seed,
        },
    )

    def sample(index: int) -> dict[str, Float[np.ndarray, "nx ny"]]:
        # Threads have their own precision.
        with jax.enable_x64(True):
            a, u = _solved(fine, coefficient, seed, jnp.asarray(index, jnp.uint32), refinement)
        return {"a": np.asarray(a), "u": np.asarray(u)}

    write_samples(
        path,
        layout,
        sample,
        samples=samples,
        workers=workers,
        resume=resume,
        progress=progress,
        description="Darcy",
    )


@eqx.filter_jit
def _solved(fine, coefficient, seed, index, refinement):
    key = jax.random.fold_in(jax.random.key(seed), index)
    a = coefficient(fine.x, fine.y, key=key)
    points = slice(refinement // 2, None, refinement)
    return a[points, points], fine.solve(a)[points, points]

"""Data sets of the Helmholtz benchmark: random wave speeds and the waves in them."""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from closurax.physics.description import describe
from closurax.physics.errors import DataError
from closurax.physics.pdes import Helmholtz, WaveSpeed, nodes, window_flux

from .sample_file import SampleLayout, write_samples


def generate_helmholtz(
    path: str | os.PathLike,
    *,
    samples: int = 1000,
    seed: int = 0,
    wave_speed: WaveSpeed = WaveSpeed(),
    frequency: float = 1000.0,
    shape: tuple[int, int] = (101, 101),
    refinement: int = 1,
    workers: int = 1,
    resume: bool = False,
    progress: bool = True,
) -> None:
    r"""Writes random wave speeds `c` and solutions `u` of $-\nabla^2 u - (\omega / c)^2 u = 0$.

    Waves in the unit square that are driven by $\partial_n u = 1$ for $0.35 \le x \le 0.65$ at
    y = 1, without flux elsewhere: the benchmark of de Hoop et al. (2022, arXiv 2203.13181,
    section 4.2). The file has float32 variables `c` and `u` over `(sample, x, y)`, values at
    the nodes; `open_fields` opens it. Sample `i` has the wave speed of the key
    `fold_in(key(seed), i)`.

    Killing the process loses only what is not yet on disk; a resumed file is byte for byte the
    uninterrupted one (on the same machine and versions).

    **Arguments:**

    - `path`: of the netCDF file.
    - `samples`: how many.
    - `seed`: of all wave speeds.
    - `wave_speed`: its distribution.
    - `frequency`: the angular frequency.
    - `shape`: number of nodes along x and y in the file.
    - `refinement`: how many times more elements the grid has on which the equation is solved.
        With 1, as in the benchmark, the solution is that of the discrete problem (see
        `Helmholtz`).
    - `workers`: number of threads.
    - `resume`: whether to go on where an earlier call was killed.
    - `progress`: whether to show a bar.

    Raises `DataError` if there is a file already and `resume` is off, or if it was made with
    other settings.
    """
    if refinement < 1:
        raise DataError(f"`refinement` is {refinement}; give a number of at least 1.")
    nx, ny = shape
    fine = Helmholtz((nx - 1) * refinement + 1, (ny - 1) * refinement + 1, frequency)
    points = slice(None, None, refinement)
    flux = window_flux(fine.nx)
    layout = SampleLayout(
        x=nodes(nx),
        y=nodes(ny),
        points="node",
        variables={"c": "wave speed, dimensionless", "u": "solution, dimensionless"},
        recipe={
            "title": "Time-harmonic waves with a random wave speed",
            "equation": "-laplacian(u) - (frequency / c)^2 u = 0 on (0,1)^2",
            "boundary": (
                "neumann: du/dn = 1 for 0.35 <= x <= 0.65 at y = 1, du/dn = 0 elsewhere; the "
                "outermost points lie on the boundary"
            ),
            "grid_convention": (
                f"nodes: x_i = i/{nx - 1}, y_j = j/{ny - 1}; point values at the nodes; array "
                "axes are (sample, x, y)"
            ),
            "wave_speed": describe(wave_speed),
            "frequency": frequency,
            "solver": "bilinear finite elements, 2 x 2 Gauss points, sparse direct, float64",
            "refinement": refinement,
            "seed": seed,
        },
    )

    def sample(index: int) -> dict[str, Float[np.ndarray, "nx ny"]]:
        c = np.asarray(_wave_speed(wave_speed, fine, seed, jnp.asarray(index, jnp.uint32)))
        u = fine.solve_sparse(c, q=flux)
        return {"c": c[points, points], "u": u[points, points]}

    write_samples(
        path,
        layout,
        sample,
        samples=samples,
        workers=workers,
        resume=resume,
        progress=progress,
        description="Helmholtz",
    )


@eqx.filter_jit
def _wave_speed(wave_speed, grid, seed, index):
    key = jax.random.fold_in(jax.random.key(seed), index)
    return wave_speed(grid.x, grid.y, key=key)

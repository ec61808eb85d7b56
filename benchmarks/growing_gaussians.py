"""Gaussians that are added where the residual is large, beside as many that are spread evenly:

python benchmarks/growing_gaussians.py --write

Burgers' equation in space and time at once, whose layer is the thinner the smaller the viscosity.
"""

import argparse
from functools import partial

import jax
import numpy as np
from results import DOCS

from closurax.experiments.timing import timed
from closurax.physics.problems import AbstractProblem, Burgers, grid_axes, grid_points
from closurax.surrogates import fit_gaussians, grow_gaussians
from closurax.surrogates.fields import on_grid

CASES = {0.05: (500,), 0.02: (500, 1000), 0.01: (1000,)}
SHAPE = (51, 257)


def error(problem: AbstractProblem, field, shape: tuple[int, ...]) -> float:
    """The relative L2 error of the field `u` on a grid."""
    exact = problem.solution(grid_points(grid_axes(problem, shape)).reshape(-1, problem.dims))
    found = on_grid(problem, field, shape)["u"].values.reshape(exact.shape)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table to docs/generated")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    lines = [
        "| viscosity | Gaussians | grown: relative L2 | CPU s | even: relative L2 | CPU s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for viscosity, counts in CASES.items():
        problem = Burgers(viscosity=viscosity)
        for count in counts:
            cells = [f"{viscosity:g}", f"{count:,}"]
            for solve in (grow_gaussians, partial(fit_gaussians, seed=0)):
                solved, seconds = timed(partial(solve, problem, count))
                found = f"{error(problem, solved.field, SHAPE):.1e}"
                cells += [found, f"{seconds['cpu_seconds']:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if arguments.write:
        (DOCS / "generated" / "growing_gaussians.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

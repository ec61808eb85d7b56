"""Poisson's equation in a hundred dimensions by Gaussians of pairs of coordinates, by Gaussians of
all of them with a network, and by a network, the last two with Adam for so many seconds:

python benchmarks/many_dimensions.py --write
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax
from results import DOCS

from closurax.experiments.parameter_count import parameter_count
from closurax.experiments.timing import timed
from closurax.physics.problems import Poisson
from closurax.surrogates import fit_pair_gaussians, train_physics_informed
from closurax.surrogates.fields import PIG, NetworkField
from closurax.surrogates.fields.at_points import compiled_at_points
from closurax.surrogates.training import Collocation

PER_AXIS, SEED = 6, 0
INTERIOR, FACE, FACE_WEIGHT, LEARNING_RATE = 256, 2, 10.0, 1e-3
TESTED, CHUNK = 2000, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=300.0, help="of steps of Adam")
    parser.add_argument("--write", action="store_true", help="write the table to docs/generated")
    arguments = parser.parse_args()
    problem = Poisson(arguments.dims)
    points = np.random.default_rng(SEED).uniform(-1, 1, (TESTED, problem.dims))
    exact = problem.solution(points)
    lines = [
        "| field | parameters | steps | s | relative L2 |",
        "| --- | --- | --- | --- | --- |",
        "| zero | 0 | | | 1 |",
    ]

    def row(name: str, field, parameters: int, steps: int | str, seconds: float) -> None:
        found = np.asarray(compiled_at_points(field, jnp.asarray(points), CHUNK))
        error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        lines.append(f"| {name} | {parameters:,} | {steps} | {seconds:.0f} | {error:.1e} |")
        print(lines[-1], flush=True)

    def trained(name: str, field) -> None:
        collocation = Collocation.random(problem, INTERIOR, FACE, jax.random.key(SEED))
        fit = train_physics_informed(
            field,
            collocation.weighted(1.0, FACE_WEIGHT / (2 * problem.dims)),
            optimiser=optax.adam(LEARNING_RATE),
            steps=1_000_000,
            seconds=arguments.seconds,
            seed=SEED,
            redraw=True,
            report_every=20,
        )
        spent = float(fit.history["learning_time"][-1])
        row(name, fit.field, parameter_count(fit.field), int(fit.history["step"][-1]), spent)

    key = jax.random.key(SEED)
    box = (problem.lower, problem.upper)
    trained("network, Adam", NetworkField(*box, width=64, depth=3, key=key))
    trained("PIG, Adam", PIG(*box, gaussians=200, width=3.0, key=key))
    with jax.enable_x64(True):
        fit, spent = timed(lambda: fit_pair_gaussians(problem, PER_AXIS, seed=SEED))
        # Centres and widths are those of a grid.
        row("Gaussians of pairs, solved", fit.field, fit.field.weights.size, "", spent["seconds"])
    if arguments.write:
        (DOCS / "generated" / "many_dimensions.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

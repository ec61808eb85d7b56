"""Where the points are and what they weigh in physics-informed training: Burgers' equation by a
network with Adam for so many seconds, on fixed points, on points that are drawn anew, uniformly or
where the residual is large, and with weights in time:

python benchmarks/adaptive_points.py --write
"""

import argparse
from functools import partial

import jax
import optax
from growing_gaussians import error
from results import DOCS

from closurax.physics.problems import Burgers
from closurax.surrogates import train_physics_informed
from closurax.surrogates.fields import NetworkField
from closurax.surrogates.training import (
    CausalCollocation,
    Collocation,
    ResidualAdaptivePoints,
    UniformPoints,
)

INTERIOR, FACE, FACE_WEIGHT = 2000, 100, 10.0
LEARNING_RATE, HALVED, REDRAWN = 2e-3, 2000, 100
SHAPE = (51, 257)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of steps, for each row")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the table to docs/generated")
    arguments = parser.parse_args()
    problem = Burgers()
    causal = partial(CausalCollocation, slabs=16, steepness=1.0)
    rows = {
        "fixed": (lambda points: points, False),
        "drawn anew, uniformly": (lambda points: points, UniformPoints()),
        "drawn anew, where the residual is large": (
            lambda points: points,
            ResidualAdaptivePoints(),
        ),
        "drawn anew, uniformly, with weights in time": (causal, UniformPoints()),
    }
    lines = ["| points | steps | relative L2 |", "| --- | --- | --- |"]
    for name, (weighted, redraw) in rows.items():
        steps, errors = [], []
        for seed in range(arguments.seeds):
            points = Collocation.random(problem, INTERIOR, FACE, jax.random.key(seed))
            key = jax.random.key(1000 + seed)
            fit = train_physics_informed(
                NetworkField(problem.lower, problem.upper, width=32, depth=4, key=key),
                weighted(points.weighted(1.0, FACE_WEIGHT)),
                optimiser=optax.adam(optax.exponential_decay(LEARNING_RATE, HALVED, 0.5)),
                steps=1_000_000,
                seconds=arguments.seconds,
                seed=seed,
                redraw=redraw,
                report_every=REDRAWN,
            )
            steps.append(int(fit.history["step"][-1]))
            errors.append(error(problem, fit.field, SHAPE))
        found = ", ".join(f"{each:.1e}" for each in errors)
        lines.append(f"| {name} | {', '.join(map(str, steps))} | {found} |")
        print(lines[-1], flush=True)
    if arguments.write:
        (DOCS / "generated" / "adaptive_points.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Some of many Gaussians that solve a problem, beside as many that are fitted:

python benchmarks/pruned_gaussians.py --write
"""

import argparse
from functools import partial

import jax
from growing_gaussians import error
from results import DOCS

from closurax.experiments.timing import timed
from closurax.physics.problems import Burgers, Helmholtz, KleinGordon
from closurax.surrogates import fit_gaussians, prune_gaussians

CASES = {
    "Helmholtz (4, 1)": (Helmholtz(waves_x=1, waves_y=4), (101, 101)),
    "Klein-Gordon": (KleinGordon(), (31, 31, 31)),
    "Burgers, 0.05": (Burgers(viscosity=0.05), (51, 257)),
}
ALL, COUNTS, SEED = 800, (400, 250, 150), 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table to docs/generated")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    lines = [
        f"| problem | Gaussians | of {ALL}: relative L2 | CPU s | fitted: relative L2 | CPU s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, (problem, shape) in CASES.items():
        fit = partial(fit_gaussians, problem, seed=SEED)
        many, seconds = timed(partial(fit, ALL))
        found = f"{error(problem, many.field, shape):.1e}"
        lines.append(f"| {name} | {ALL} | | | {found} | {cpu(seconds)} |")
        for count in COUNTS:
            cells = [name, str(count)]
            for solve in (
                partial(prune_gaussians, problem, many.field, count, seed=SEED),
                partial(fit, count),
            ):
                solved, seconds = timed(solve)
                cells += [f"{error(problem, solved.field, shape):.1e}", cpu(seconds)]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if arguments.write:
        (DOCS / "generated" / "pruned_gaussians.md").write_text("\n".join(lines) + "\n")


def cpu(seconds: dict[str, float]) -> str:
    return f"{seconds['cpu_seconds']:.0f}"


if __name__ == "__main__":
    main()

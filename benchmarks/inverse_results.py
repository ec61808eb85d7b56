"""The table on coefficients from noisy observations, from a finished run of the experiment:

closurax run inverse-allen-cahn-pig --out runs/inverse
python benchmarks/inverse_results.py runs/inverse
"""

import argparse
import tomllib
from collections.abc import Mapping
from pathlib import Path

from results import DOCS, read_metrics

METHODS = {
    "gaussians": "{gaussians} evolving Gaussians",
    "solver": "spectral solver, first realisation",
    "weak_regression": "regression, weak form",
    "regression": "regression of derivatives",
}
ESTIMATES = {
    ("one", "reaction_rate"): r"$\lambda$, $D$ known",
    ("both", "reaction_rate"): r"$\lambda$ of both",
    ("both", "diffusivity"): "$D$ of both",
}


def cell(scores: Mapping[str, float], name: str) -> str:
    error, worst = scores[f"{name}_error"], scores[f"{name}_error_worst"]
    # Of a single realisation both are the same.
    return f"{error:.1e}" if error == worst else f"{error:.1e} ({worst:.1e})"


def seconds(metrics: Mapping[str, Mapping[str, float]], method: str) -> str:
    each = [metrics[f"{method}_{setting}"].get("cpu_seconds") for setting in ("one", "both")]
    return " and ".join(f"{value:.0f}" for value in each if value is not None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of the finished run")
    run = parser.parse_args().run
    configuration = tomllib.loads((run / "config.toml").read_text())
    metrics = read_metrics(run)
    heads = [
        "relative error, root mean square (worst)",
        *ESTIMATES.values(),
        "CPU s of a fit of one and of both",
    ]
    bounds = [
        f"{metrics[f'bound_{setting}'][f'{name}_deviation']:.1e}" for setting, name in ESTIMATES
    ]
    rows = [["smallest possible (bound of Cramér and Rao)", *bounds, ""]]
    for method, title in METHODS.items():
        cells = [cell(metrics[f"{method}_{setting}"], name) for setting, name in ESTIMATES]
        rows.append([title.format(**configuration), *cells, seconds(metrics, method)])
    lines = [heads, ["---"] * len(heads), *rows]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    print(text)
    (DOCS / "generated" / "inverse_allen_cahn.md").write_text(text)


if __name__ == "__main__":
    main()

"""Tables on fields of Gaussians, from finished runs of the experiments, such as:

closurax run helmholtz-pig --out runs/helmholtz-pig
closurax run flow-mixing-pig --out runs/flow-mixing-pig
python benchmarks/field_results.py runs/helmholtz-pig runs/flow-mixing-pig

Each table goes to docs/generated/field_PROBLEM.md.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from results import DOCS, read_metrics

from closurax.config import read_experiment

# Modes of other problems are polynomials.
MODES = {"allen-cahn": "Sines and cosines", "nonlinear-diffusion": "Sines"}


def table(run: Path) -> tuple[str, str]:
    """The problem, for the name of the file, and the table."""
    settings = read_experiment(run / "config.toml")
    problem, seeds = settings.problem.model_dump(), settings.seeds
    metrics = read_metrics(run)
    metrics[f"gaussians_{settings.gaussians}"] = metrics.pop("gaussians")
    titles = {
        "polynomials": "Polynomials, same method",
        "modes": f"{MODES.get(problem['name'], 'Polynomials')}, same method",
        "nodes": "Finite differences",
    }
    baselines = {
        kind: title
        for kind, title in titles.items()
        if any(key.startswith(f"{kind}_") for key in metrics)
    }
    counts = {key.rpartition("_")[2] for key in metrics if "_" in key}
    heads = ["unknowns", "Gaussians: relative L2", "largest error", "CPU s"]
    heads += [head for title in baselines.values() for head in (f"{title}: relative L2", "CPU s")]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for number in sorted(counts, key=int, reverse=True):
        cells = [f"{int(number):,}", *gaussian_cells(metrics.get(f"gaussians_{number}"), seeds)]
        for kind in baselines:
            cells += baseline_cells(metrics.get(f"{kind}_{number}"))
        lines.append(f"| {' | '.join(cells)} |")
    published = settings.problem.published
    if published is not None:
        cells = [f"{published:.2e}", *[""] * (len(heads) - 2)]
        lines.append(f"| published, Gaussians with a network | {' | '.join(cells)} |")
    waves = [str(value) for key, value in problem.items() if key.startswith("waves")]
    return "_".join([problem["name"].replace("-", "_"), *waves]), "\n".join(lines) + "\n"


def gaussian_cells(scores: Mapping[str, float] | None, seeds: int) -> list[str]:
    if scores is None:
        return ["", "", ""]
    error = f"{scores['relative_l2']:.1e}"
    if seeds > 1 and "relative_l2_worst" in scores:
        error += f", worst of {seeds} seeds {scores['relative_l2_worst']:.1e}"
    return [error, f"{scores['max_error']:.1e}", f"{scores['cpu_seconds']:.0f}"]


def baseline_cells(scores: Mapping[str, float] | None) -> list[str]:
    if scores is None:
        return ["", ""]
    return [f"{scores['relative_l2']:.1e}", f"{scores['cpu_seconds']:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="the folders of finished runs")
    for run in parser.parse_args().runs:
        problem, text = table(run)
        print(f"{problem}\n\n{text}")
        (DOCS / "generated" / f"field_{problem}.md").write_text(text)


if __name__ == "__main__":
    main()

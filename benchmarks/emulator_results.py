"""The table and the figure on emulators, from finished runs of the experiment:

closurax run navier-stokes-emulator --out runs/flow
closurax run benchmarks/navier_stokes.toml --out runs/turbulence
closurax run benchmarks/kuramoto_sivashinsky.toml --out runs/waves
python benchmarks/emulator_results.py runs/flow runs/turbulence runs/waves

The figure is that of the last one.
"""

import argparse
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from results import DOCS, read_metrics

from closurax.report import look

COLUMNS = {
    "l2_first": ("L2 after one step, %", 100, 2),
    "l2_end": ("L2 at the end, %", 100, 1),
    "correlation_time": ("correlation time, s", 1, 1),
    "log_spectrum_error": ("log error of the spectrum", 1, 2),
    "stable_longer": ("stable three times as long, %", 100, 0),
    "milliseconds_per_step": ("ms per step", 1, 2),
}
RUNS = (
    "mgno",
    "mgno_one_step",
    "fno",
    "fno_one_step",
    "coarse_solver",
    "persistence",
    "climatology",
)


def cell(values: Mapping[str, float], key: str) -> str:
    _, factor, digits = COLUMNS[key]
    return f"{factor * values[key]:.{digits}f}" if key in values else ""


def case(configuration: dict) -> str:
    settings = configuration[configuration["equation"].replace("-", "_")]
    points = settings["grid_points"] // settings["every_point"]
    if configuration["equation"] == "navier-stokes":
        return f"Navier-Stokes, ν = {settings['viscosity']:g} m² s⁻¹, {points} x {points} points"
    return f"Kuramoto-Sivashinsky, {points} points"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="the folders of finished runs")
    runs = parser.parse_args().runs
    lines = [
        f"| | | {' | '.join(title for title, *_ in COLUMNS.values())} |",
        f"| --- | --- | {' | '.join('---' for _ in COLUMNS)} |",
    ]
    for run in runs:
        metrics = read_metrics(run)
        title = case(tomllib.loads((run / "config.toml").read_text(encoding="utf-8")))
        for name in RUNS:
            if name in metrics:
                cells = [title, look(name).label, *(cell(metrics[name], key) for key in COLUMNS)]
                lines.append(f"| {' | '.join(cells)} |")
                title = ""
        solver = f"{metrics['solver']['milliseconds_per_step']:.2f}"
        lines.append(f"| | {look('solver').label} | | | | | | {solver} |")
    text = "\n".join(lines) + "\n"
    print(text)
    (DOCS / "generated" / "emulators.md").write_text(text, encoding="utf-8")
    shutil.copy(runs[-1] / "figures" / "lead_time.png", DOCS / "images" / "emulators.png")


if __name__ == "__main__":
    main()

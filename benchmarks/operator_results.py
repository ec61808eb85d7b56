"""The table and the figure on Darcy flow or waves, from a finished run of the experiment:

closurax run benchmarks/darcy.toml --out runs/darcy
closurax run helmholtz --out runs/helmholtz
python benchmarks/operator_results.py runs/darcy
python benchmarks/operator_results.py runs/helmholtz
"""

import argparse
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from results import DOCS, read_metrics

from closurax.report import look

COLUMNS = {
    "l2": "relative L2",
    "h1": "relative H1",
    "worst_l2": "L2, worst sample",
    "symmetrised_l2": "L2, mean of eight turned copies",
    "finer_l2": "L2 on a finer grid, as it is",
    "finer_resampled_l2": "L2 on a finer grid, on sub-grids",
}


def cell(values: Mapping[str, float], key: str) -> str:
    """A mean over the seeds in percent, with the lowest and the highest."""
    if key not in values:
        return ""
    mean = 100 * values[key]
    digits = 2 if mean < 10 else 1
    text = f"{mean:.{digits}f}"
    if f"{key}_lowest" not in values:
        return text
    low, high = (f"{100 * values[f'{key}_{end}']:.{digits}f}" for end in ("lowest", "highest"))
    return f"{text} ({low}, {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of the finished run")
    run = parser.parse_args().run
    experiment = tomllib.loads((run / "config.toml").read_text())["experiment"]
    metrics = read_metrics(run)
    columns = [key for key in COLUMNS if any(key in values for values in metrics.values())]
    lines = [
        f"| error, % | parameters | {' | '.join(COLUMNS[key] for key in columns)} |",
        f"| --- | --- | {' | '.join('---' for _ in columns)} |",
    ]
    for name, values in sorted(metrics.items(), key=lambda item: item[1]["l2"]):
        parameters = f"{values['parameters']:,.0f}" if "parameters" in values else ""
        cells = [look(name).label, parameters, *(cell(values, key) for key in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    (DOCS / "generated" / f"{experiment}.md").write_text(text)
    shutil.copy(run / "figures" / "fields.png", DOCS / "images" / f"{experiment}-fields.png")


if __name__ == "__main__":
    main()

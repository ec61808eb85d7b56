"""The tables and the figure on Darcy flow, from a finished run of the experiment:

closurax run benchmarks/darcy.toml --out runs/darcy
python benchmarks/darcy_results.py runs/darcy
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

from results import DOCS, read_metrics

from closurax.report import look

COLUMNS = {
    "l2": "relative L2",
    "h1": "relative H1",
    "worst_l2": "L2, worst sample",
    "symmetrised_l2": "L2, mean of eight turned copies",
    "finer_l2": "L2 on 128 x 128, as it is",
    "finer_resampled_l2": "L2 on 128 x 128, on sub-grids",
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
    metrics = read_metrics(run)
    lines = [
        f"| error, % | parameters | {' | '.join(COLUMNS.values())} |",
        f"| --- | --- | {' | '.join('---' for _ in COLUMNS)} |",
    ]
    for name, values in sorted(metrics.items(), key=lambda item: item[1]["l2"]):
        parameters = f"{values['parameters']:,.0f}" if "parameters" in values else ""
        cells = [look(name).label, parameters, *(cell(values, key) for key in COLUMNS)]
        lines.append(f"| {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    (DOCS / "generated" / "darcy.md").write_text(text)
    shutil.copy(run / "figures" / "fields.png", DOCS / "images" / "darcy-fields.png")


if __name__ == "__main__":
    main()

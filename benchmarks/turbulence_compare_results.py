"""The tables and the figure on closures trained in the simulation, from a finished run:

closurax run turbulence-compare --out runs/compare
python benchmarks/turbulence_compare_results.py runs/compare
"""

import argparse
import shutil
from pathlib import Path

from results import DOCS

TABLES = ("turbulence_compare", "turbulence_compare_budgets", "turbulence_compare_elsewhere")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of the finished run")
    run = parser.parse_args().run
    tables = (run / "comparison.md").read_text(encoding="utf-8").strip().split("\n\n")
    for name, table in zip(TABLES, tables, strict=True):
        (DOCS / "generated" / f"{name}.md").write_text(table + "\n", encoding="utf-8")
    shutil.copy(run / "figures" / "spectra.png", DOCS / "images" / "turbulence-compare.png")


if __name__ == "__main__":
    main()

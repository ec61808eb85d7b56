"""Runs the direct numerical simulations of the turbulence cases and writes their statistics.

    python benchmarks/turbulence_cases.py FOLDER [CASE ...]

About an hour on one core. The simulations go into FOLDER, are resumed if they are there, and
their statistics are written next to them as `turbulence_CASE.nc`, which is what ships with
closurax.
"""

import argparse
import functools
from pathlib import Path
from typing import Any

from closurax.datasets import case_flow, case_statistics, generate_dns, open_dns, write_case

RUNS: dict[str, dict[str, Any]] = {
    "kf4": {"seed": 11, "size": 384, "spin_up": (30.0, 60.0, 10.0), "duration": 240.0},
    "kf4_beta20": {
        "seed": 12,
        "size": 384,
        "spin_up": (30.0, 60.0, 10.0),
        "duration": 120.0,
        "save_every": 1.0,
    },
    "kf25": {"seed": 13, "size": 384, "spin_up": (20.0, 40.0, 5.0), "duration": 60.0},
    "kf4_re40k": {"seed": 14, "size": 512, "spin_up": (60.0, 10.0, 5.0), "duration": 60.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("case", nargs="*", choices=[*RUNS, []], default=[*RUNS])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.case:
        file = arguments.folder / f"{name}.nc"
        generate_dns(file, flow=functools.partial(case_flow, name), resume=True, **RUNS[name])
        with open_dns(file) as dns:
            write_case(case_statistics(dns, name), arguments.folder / f"turbulence_{name}.nc")


if __name__ == "__main__":
    main()

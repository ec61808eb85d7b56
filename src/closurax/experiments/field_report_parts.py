"""What the reports on fields have in common, whether these are fitted or evolve."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version

import jax
import xarray as xr

from .. import report
from ..workspace import Workspace

Scores = Mapping[str, float]

PAPER = "Kang et al. 2024 (arXiv 2412.05994)"
"""Where the published errors of Gaussians are from."""


def provenance() -> list[tuple[str, str]]:
    """Versions and machine."""
    return [
        ("closurax", version("closurax")),
        ("jax", f"{jax.__version__} on {jax.devices()[0].platform}, double precision"),
        ("machine", f"{platform.machine()}, {os.cpu_count()} cores"),
    ]


def score_cell(scores: Scores, key: str, shown: str) -> str:
    """A score in a table, with that of the worst seed below it."""
    if key not in scores:
        return ""
    text = format(scores[key], shown)
    if f"{key}_worst" in scores:
        text += f"\n{format(scores[f'{key}_worst'], shown)}"
    return text


def solution_figures(workspace: Workspace) -> list[report.Figure]:
    """Every field of `solution.nc` that has an error."""
    figures = []
    with xr.open_dataset(workspace.path("solution.nc"), engine="netcdf4") as solution:
        for name in [str(name) for name in solution if f"{name}_error" in solution]:
            path = workspace.path(f"figures/solution_{name}.png")
            report.save_png(report.solution_figure(solution, name), path)
            caption = "Above the field, below its error on a logarithmic scale."
            figures.append(report.Figure(path, f"The field {name}", caption))
    return figures

"""What the reports on fields have in common, whether these are fitted or evolve."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version

import jax
import xarray as xr

from .. import report
from ..workspace import Workspace
from .gaussian_search import read_search

Scores = Mapping[str, float]

PAPER = "Kang et al. 2024 (arXiv 2412.05994)"
"""Where the published errors of Gaussians are from."""

SEARCH_CAPTION = (
    "Some of the steps of the search, first with few Gaussians and then with all. The residual, at "
    "points that were not fitted, is what the search lowers; it sees no solution."
)


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


def gaussian_figures(
    workspace: Workspace, lower: Mapping, upper: Mapping, time: str | None = None
) -> list[report.Figure]:
    """The Gaussians as ellipses, and those on the way to them.

    **Arguments:**

    - `lower`, `upper`: as of `gaussians_figure`.
    - `time`: the name of the coordinate that the weights depend on, if there is one; they are
        shown at its end.
    """
    path, search = (workspace.path(f"figures/{name}.png") for name in ("gaussians", "search"))
    with xr.open_dataset(workspace.path("gaussians.nc"), engine="netcdf4") as found:
        steps = {"": found.load(), **read_search(workspace)}
    if time is not None:
        steps = {title: each.isel({time: -1}) for title, each in steps.items()}
    last, at_the_end = steps.pop(""), "" if time is None else " at the end"
    report.save_png(report.gaussians_figure({"": last}, lower, upper), path)
    report.save_png(report.gaussians_figure(steps, lower, upper), search)
    first, second, *others = lower
    projected = f", projected on {first} and {second}" if others else ""
    return [
        report.Figure(
            path,
            "Centres and widths",
            f"Each ellipse reaches a quarter of the width from its centre{projected}; its colour "
            f"is the size of the weight{at_the_end}. The frame is the box; centres around it serve "
            "its sides.",
        ),
        report.Figure(search, "On the way", SEARCH_CAPTION),
    ]

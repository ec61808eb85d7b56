"""The end of the experiment `convection-columns`: metrics, figures and the page."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import xarray as xr

from .. import report
from ..workspace import Workspace
from .convection_columns_settings import ConvectionColumns
from .flat_metrics import flat_metrics

_R2 = {
    "r2_potential_temperature_tendency": "R2 heating",
    "r2_vapour_tendency": "R2 moistening",
    "r2_precipitation": "R2 rain",
    "trigger_accuracy": "trigger accuracy",
    "class_accuracy": "class accuracy",
    "f1_deep": "F1 deep",
    "f1_shallow": "F1 shallow",
}
_PHYSICAL = "kain_fritsch"


def write_report(
    settings: ConvectionColumns,
    workspace: Workspace,
    *,
    scores: Mapping[str, Mapping[str, float]],
    trainings: Mapping[str, Mapping[str, float]],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `scores`: by scheme, as `convection_scores` gives them.
    - `trainings`: parameters, epochs, validation loss and seconds by network.
    - `data`: the numbers of columns.
    """
    metrics = flat_metrics({**scores, **{f"training.{k}": v for k, v in trainings.items()}})
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    by_level = {
        name: xr.load_dataset(workspace.path(f"scores/{name}.nc"), engine="netcdf4")
        for name in scores
    }
    findings = _findings(scores)
    figures = _figures(workspace, by_level, scores)
    best = _best(scores, settings.compared)
    page = report.Page(
        title="Learned convection, column by column",
        summary=(
            f"{len(settings.compared)} networks and {len(settings.baselines)} baselines on "
            f"{data['test']:,} columns from soundings that no training saw, beside the "
            "multi-scale Kain-Fritsch scheme that they replace."
        ),
        cards=[
            (_R2[key], f"{scores[best][key]:.3f}", f"{report.look(best).label}, unseen soundings")
            for key in list(_R2)[:4]
        ],
        findings=findings,
        sections=_sections(settings, scores, trainings, figures),
        provenance=[
            ("closurax", version("closurax")),
            ("jax", f"{jax.__version__} on {jax.devices()[0].platform}"),
            ("machine", f"{platform.machine()}, {os.cpu_count()} cores"),
            ("columns", settings.data.columns or "drawn around the soundings that ship"),
        ],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def _best(scores: Mapping[str, Mapping[str, float]], names: Any) -> str:
    return max(names, key=lambda name: sum(scores[name][key] for key in list(_R2)[:3]))


def _findings(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    learned = [name for name in scores if name != _PHYSICAL]
    best = _best(scores, learned)
    values = scores[best]
    lines = [
        f"{report.look(best).label} is best: R2 {values['r2_potential_temperature_tendency']:.3f} "
        f"for the heating, {values['r2_vapour_tendency']:.3f} for the moistening and "
        f"{values['r2_precipitation']:.3f} for rain; it triggers as the data do in "
        f"{100 * values['trigger_accuracy']:.1f} % of the columns.",
        f"The column's water closes to {values['water_residual']:.1e} of what is exchanged; "
        f"enthalpy, which the scheme itself does not close, to {values['enthalpy_residual']:.1%} "
        "(99 % of the columns).",
    ]
    key = "r2_potential_temperature_tendency"
    if f"left_out.{key}" in values:
        lines.append(
            f"On the grid spacing that training did not see R2 of the heating is "
            f"{values[f'left_out.{key}']:.3f}, elsewhere {values[f'seen.{key}']:.3f}."
        )
    fastest = min(learned, key=lambda name: scores[name]["microseconds_per_column"])
    lines.append(
        f"{report.look(fastest).label} is the fastest in JAX with "
        f"{scores[fastest]['microseconds_per_column']:.0f} microseconds a column, where "
        f"Kain-Fritsch in JAX takes {scores[_PHYSICAL]['microseconds_per_column']:.0f}."
    )
    return lines


def _figures(
    workspace: Workspace,
    by_level: Mapping[str, xr.Dataset],
    scores: Mapping[str, Mapping[str, float]],
) -> dict[str, report.Figure]:
    drawn = {
        "levels": (
            report.skill_by_level_figure(
                {name: scores_ for name, scores_ in by_level.items() if name != _PHYSICAL}
            ),
            "Skill by level",
            "R2 of the heating and of the moistening on each level of the unseen columns. Where "
            "convection hardly does anything, as near its top, R2 is low for little cause.",
        ),
        "skill": (
            report.skill_bars_figure(scores, list(_R2)[:4], [_R2[key] for key in list(_R2)[:4]]),
            "Skill of all schemes",
            "One is perfect; zero for R2 is the mean of all columns on each level.",
        ),
    }
    figures = {}
    for name, (figure, title, caption) in drawn.items():
        path = workspace.path(f"figures/{name}.png")
        report.save_png(figure, path)
        figures[name] = report.Figure(path, title, caption)
    return figures


def _sections(settings, scores, trainings, figures):
    names = list(scores)
    rows = [
        [
            report.look(name).label,
            f"{trainings[name]['parameters']:,}" if name in trainings else "",
            *(f"{scores[name].get(key, np.nan):.3f}" for key in _R2),
            f"{scores[name]['precipitation_bias']:+.4f}",
            f"{scores[name]['microseconds_per_column']:.0f}",
        ]
        for name in names
    ]
    header = ["", "parameters", *_R2.values(), "rain bias\nmm h-1", "µs per column\nin JAX"]
    learned = [index for index, name in enumerate(names) if name != _PHYSICAL]
    best = {
        column: max(learned, key=lambda index: scores[names[index]].get(key, -np.inf))
        for column, key in enumerate(_R2, start=2)
    }
    table = report.Table(
        header,
        rows,
        "Unseen soundings. Kain-Fritsch is the scheme of closurax, against the labels of the data.",
        marked=[names.index(_PHYSICAL)],
        best=best,
        colours=[report.look(name).colour for name in names],
    )
    sections = [
        ("All schemes", "One table, one set of columns.", [table, figures["skill"]]),
        ("By level", "Where in the column a scheme is good.", [figures["levels"]]),
    ]
    key = "r2_potential_temperature_tendency"
    if all(f"left_out.{key}" in scores[name] for name in names):
        left_out = report.Table(
            ["", "heating", "heating, left out", "rain", "rain, left out"],
            [
                [
                    report.look(name).label,
                    *(
                        f"{scores[name][f'{part}.{score}']:.3f}"
                        for score in (key, "r2_precipitation")
                        for part in ("seen", "left_out")
                    ),
                ]
                for name in names
            ],
            f"Training saw no grid spacing near {settings.data.left_out_spacing / 1e3:g} km.",
        )
        sections.append(("A grid spacing that is new", "R2 there and elsewhere.", [left_out]))
    return sections

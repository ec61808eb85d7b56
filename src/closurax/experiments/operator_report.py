"""The end of a comparison of operators: metrics, figures and the page."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import xarray as xr

from .. import report
from ..workspace import Workspace
from .flat_metrics import flat_metrics
from .operator_settings import OperatorComparison

_TITLES = {
    "darcy": "Learned operators for Darcy flow",
    "helmholtz": "Learned operators for the Helmholtz equation",
}
_BASELINES = ("mean", "ridge", "solver")


def write_report(
    settings: OperatorComparison,
    workspace: Workspace,
    *,
    scores: Mapping[str, Mapping[str, float]],
    trainings: Mapping[str, list[Mapping[str, float]]],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `scores`: of operators and baselines, on unseen samples.
    - `trainings`: parameters, validation loss and seconds of each seed.
    """
    metrics = flat_metrics(scores)
    for name, each in trainings.items():
        metrics[f"{name}.parameters"] = each[0]["parameters"]
        metrics[f"{name}.training_seconds"] = round(sum(s["seconds"] for s in each) / len(each), 1)
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    best = min(trainings, key=lambda name: scores[name]["l2"])
    findings = _findings(settings, scores, best)
    page = report.Page(
        title=_TITLES[settings.problem],
        summary=(
            f"{len(trainings)} operators, each trained {settings.seeds} times on the same "
            f"{settings.data.training_samples - settings.data.validation_samples} samples, judged "
            f"on {settings.data.test_samples} that no training saw."
        ),
        cards=[
            ("relative L2 error", f"{scores[best]['l2']:.2%}", report.look(best).label),
            ("relative H1 error", f"{scores[best]['h1']:.1%}", report.look(best).label),
            ("classical solver, same grid", f"{scores['solver']['l2']:.2%}", "relative L2 error"),
            ("ridge regression", f"{scores['ridge']['l2']:.2%}", "relative L2 error"),
        ],
        findings=findings,
        sections=_sections(settings, workspace, scores, trainings),
        provenance=[
            ("closurax", version("closurax")),
            ("jax", f"{jax.__version__} on {jax.devices()[0].platform}"),
            ("machine", f"{platform.machine()}, {os.cpu_count()} cores"),
            ("samples", settings.data.training or "made by this run"),
        ],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def _findings(
    settings: OperatorComparison, scores: Mapping[str, Mapping[str, float]], best: str
) -> list[str]:
    values, solver = scores[best], scores["solver"]
    lines = [
        f"{report.look(best).label} has the smallest error on unseen samples, {values['l2']:.2%}; "
        f"ridge regression has {scores['ridge']['l2']:.2%}, the mean field "
        f"{scores['mean']['l2']:.2%}."
    ]
    if settings.problem == "darcy":
        verdict = "smaller" if values["l2"] < solver["l2"] else "larger"
        lines.append(
            f"That is {verdict} than the {solver['l2']:.2%} of finite volumes on the same grid, "
            f"which take {solver['milliseconds_per_sample']:.1f} ms a sample where it takes "
            f"{values['milliseconds_per_sample']:.1f} ms."
        )
    if "symmetrised_l2" in values:
        lines.append(
            "Made symmetric by the mean over the eight turned copies of a sample, at eight times "
            f"the cost, its error is {values['symmetrised_l2']:.2%}."
        )
    if "finer_l2" in values:
        line = "On twice as many points an axis, without training there, its error is "
        line += f"{values['finer_l2']:.2%}"
        if "finer_resampled_l2" in values:
            line += (
                f" as it is, and {values['finer_resampled_l2']:.2%} on the sub-grids that have the "
                "size of its training"
            )
        lines.append(line + ".")
    return lines


def _sections(settings, workspace, scores, trainings):
    names = [*trainings, *_BASELINES]
    rows = [
        [
            report.look(name).label,
            f"{trainings[name][0]['parameters']:,.0f}" if name in trainings else "",
            _with_range(scores[name], "l2"),
            _with_range(scores[name], "h1"),
            f"{scores[name]['worst_l2']:.2%}",
            _percent(scores[name].get("symmetrised_l2")),
            _percent(scores[name].get("finer_l2")),
            _percent(scores[name].get("finer_resampled_l2")),
            f"{trainings[name][0]['seconds']:.0f}" if name in trainings else "",
            f"{scores[name]['milliseconds_per_sample']:.2f}",
        ]
        for name in names
    ]
    learned = [index for index, name in enumerate(names) if name in trainings]
    best = {
        column: min(learned, key=lambda index: scores[names[index]][key])
        for column, key in ((2, "l2"), (3, "h1"), (4, "worst_l2"))
    }
    table = report.Table(
        [
            "", "parameters", "relative L2", "relative H1", "L2, worst sample",
            "L2, mean of eight\nturned copies", "L2, twice the points\nas it is",
            "L2, twice the points\non sub-grids", "training\ns", "inference\nms per sample",
        ],
        rows,
        "Unseen samples; means over the seeds, with the lowest and the highest. The solver works "
        "on the samples' own grid.",
        marked=[names.index("solver")],
        best=best,
        colours=[report.look(name).colour for name in names],
    )  # fmt: skip
    return [
        ("All operators", "One table, one set of samples.", [table]),
        ("What they look like", "The first unseen sample.", [_fields(workspace, trainings)]),
        ("Training", "Validation loss by time.", [_curves(workspace, trainings)]),
    ]


def _fields(workspace: Workspace, trainings: Mapping[str, Any]) -> report.Figure:
    path = workspace.path("figures/fields.png")
    with xr.open_dataset(workspace.path("predictions.nc"), engine="netcdf4") as predictions:
        report.save_png(report.fields_figure(predictions, list(trainings)), path)
    return report.Figure(
        path, "One sample", "Above the predictions of the first seed, below what is wrong in them."
    )


def _curves(workspace: Workspace, trainings: Mapping[str, Any]) -> report.Figure:
    path = workspace.path("figures/training.png")
    histories = {
        name: xr.load_dataset(workspace.path(f"training/{name}-0/history.nc"), engine="netcdf4")
        for name in trainings
    }
    report.save_png(report.learning_curves_figure(histories), path)
    return report.Figure(
        path, "Learning curves", "Of the first seed; the loss that is trained, on validation."
    )


def _with_range(values: Mapping[str, float], key: str) -> str:
    text = f"{values[key]:.2%}"
    if f"{key}_lowest" in values:
        text += f"\n{values[f'{key}_lowest']:.2%} to {values[f'{key}_highest']:.2%}"
    return text


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"

"""The end of a comparison of emulators: metrics, figures and the page."""

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
from .emulator_scores import LONGER
from .emulator_settings import EmulatorComparison
from .flat_metrics import flat_metrics

_TITLES = {
    "navier-stokes": "Learned emulators of two-dimensional turbulence",
    "kuramoto-sivashinsky": "Learned emulators of the Kuramoto-Sivashinsky equation",
}
_BASELINES = ("coarse_solver", "persistence", "climatology")
Scores = Mapping[str, Mapping[str, float]]


def write_report(
    settings: EmulatorComparison,
    workspace: Workspace,
    *,
    scores: Scores,
    trainings: Mapping[str, list[Mapping[str, float]]],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `scores`: of emulators and baselines, in free runs.
    - `trainings`: parameters, validation loss and seconds, for one step and unrolled.
    """
    metrics = flat_metrics(scores)
    for name, each in trainings.items():
        metrics[f"{name}.parameters"] = each[0]["parameters"]
        metrics[f"{name}.training_seconds"] = round(sum(s["seconds"] for s in each), 1)
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    best = max(trainings, key=lambda name: _rank(scores[name]))
    values, coarse = scores[best], scores["coarse_solver"]
    page = report.Page(
        title=_TITLES[settings.equation],
        summary=(
            f"{len(trainings)} operators learned steps of {settings.chosen.save_every:g} s from "
            f"{settings.data.training_trajectories} trajectories. They are judged in free runs of "
            f"{settings.steps} steps from {settings.data.test_trajectories} other ones, and in "
            f"runs {LONGER} times as long."
        ),
        cards=[
            ("correlation time", f"{values['correlation_time']:.1f} s", _until(settings, best)),
            ("relative L2 at the end", _percent(values.get("l2_end")), report.look(best).label),
            ("coarse solver", _percent(coarse.get("l2_end")), "relative L2 at the end"),
            ("stable samples", f"{values['stable_longer']:.0%}", f"in {LONGER} times the time"),
        ],
        findings=_findings(settings, scores, trainings, best),
        sections=_sections(settings, workspace, scores, trainings),
        provenance=[
            ("closurax", version("closurax")),
            ("jax", f"{jax.__version__} on {jax.devices()[0].platform}"),
            ("machine", f"{platform.machine()}, {os.cpu_count()} cores"),
            ("trajectories", "made by this run"),
        ],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": page.findings}


def _rank(values: Mapping[str, float]) -> tuple[float, float]:
    """By the correlation time, and where all last to the end by the error there."""
    return values["correlation_time"], -values.get("l2_end", float("inf"))


def _until(settings: EmulatorComparison, name: str) -> str:
    end = settings.steps * settings.chosen.save_every
    return f"{report.look(name).label}, in runs of {end:g} s"


def _findings(
    settings: EmulatorComparison,
    scores: Scores,
    trainings: Mapping[str, list[Mapping[str, float]]],
    best: str,
) -> list[str]:
    label, values = report.look(best).label, scores[best]
    threshold = settings.rollouts.correlation_threshold
    end = settings.steps * settings.chosen.save_every
    lines = [
        f"Of the emulators {label} follows the truth longest: its correlation stays above "
        f"{threshold:g} for {values['correlation_time']:.1f} of {end:g} s; that of the coarse "
        f"solver for {scores['coarse_solver']['correlation_time']:.1f} s, that of persistence for "
        f"{scores['persistence']['correlation_time']:.1f} s."
    ]
    if "l2_end" in values:
        lines.append(
            f"Its error is {values['l2_first']:.2%} after one step and {values['l2_end']:.2%} at "
            f"the end, where the coarse solver has {_percent(scores['coarse_solver']['l2_end'])} "
            f"and the climatological mean {_percent(scores['climatology']['l2_end'])}."
        )
    stable = ", ".join(
        f"{report.look(name).label} {scores[name]['stable']:.0%} and then "
        f"{scores[name]['stable_longer']:.0%}"
        for name in trainings
    )
    lines.append(
        "Samples that are finite and have a variance within a factor of two of the truth's, at the "
        f"end and in a run {LONGER} times as long: {stable}."
    )
    if settings.unrolls:
        changes = ", ".join(
            f"{report.look(name).label} from {_percent(scores[f'{name}_one_step'].get('l2_end'))} "
            f"to {_percent(scores[name].get('l2_end'))}"
            for name in trainings
        )
        lines.append(
            f"Training through {settings.training.unrolled_steps} steps changed the error at the "
            f"end: {changes}."
        )
    lines.append(
        f"A step of a sample takes {label} {values['milliseconds_per_step']:.2f} ms, the coarse "
        f"solver {scores['coarse_solver']['milliseconds_per_step']:.2f} ms and the solver of the "
        f"trajectories {scores['solver']['milliseconds_per_step']:.2f} ms."
    )
    return lines


def _sections(settings, workspace, scores, trainings):
    learned = [*trainings]
    if settings.unrolls:
        learned += [f"{name}_one_step" for name in trainings]
    names = [*learned, *_BASELINES, "solver"]
    rows = [
        [
            report.look(name).label,
            f"{trainings[name][0]['parameters']:,.0f}" if name in trainings else "",
            _percent(scores[name].get("l2_first")),
            _percent(scores[name].get("l2_end")),
            _number(scores[name].get("correlation_time"), ".1f"),
            _number(scores[name].get("log_spectrum_error"), ".2f"),
            _number(scores[name].get("stable"), ".0%"),
            _number(scores[name].get("stable_longer"), ".0%"),
            f"{sum(s['seconds'] for s in trainings[name]):.0f}" if name in trainings else "",
            f"{scores[name]['milliseconds_per_step']:.2f}",
        ]
        for name in names
    ]
    most = {
        column: max(range(len(learned)), key=lambda index: scores[names[index]].get(key, -1.0))
        for column, key in ((4, "correlation_time"),)
    }
    least = {
        column: min(
            range(len(learned)), key=lambda index: scores[names[index]].get(key, float("inf"))
        )
        for column, key in ((2, "l2_first"), (3, "l2_end"), (5, "log_spectrum_error"))
    }
    table = report.Table(
        [
            "", "parameters", "relative L2\none step", "relative L2\nat the end",
            "correlation time\ns", "log error of\nthe spectrum", "stable\nto the end",
            f"stable\n{LONGER} times as long", "training\ns", "ms per step\nand sample",
        ],
        rows,
        "Means over the samples; errors over those that stay finite, if any. The correlation time "
        "is at most the length of the run. The coarse solver has half the points of an axis and a "
        "longer step; the solver is that of the truth.",
        marked=[names.index("coarse_solver")],
        best={**most, **least},
        colours=[report.look(name).colour for name in names],
    )  # fmt: skip
    figures = _figures(settings, workspace, learned)
    curves = [_curves(workspace, trainings, "one-step", "Single steps")]
    if settings.unrolls:
        curves.append(_curves(workspace, trainings, "unrolled", "Unrolled"))
    return [
        ("All runs", "One table; every run starts from the same unseen fields.", [table]),
        ("By lead time", "Medians over the samples.", [figures["lead_time"]]),
        ("What they look like", "The first unseen trajectory.", [figures["rollouts"]]),
        ("Spectra", "At the end of the runs.", [figures["spectra"]]),
        ("Training", "Validation loss by time.", curves),
    ]


def _figures(
    settings: EmulatorComparison, workspace: Workspace, learned: list[str]
) -> dict[str, report.Figure]:
    paths = {
        name: workspace.path(f"figures/{name}.png") for name in ("lead_time", "spectra", "rollouts")
    }
    rollouts = settings.rollouts
    with xr.open_dataset(workspace.path("scores.nc"), engine="netcdf4") as scores:
        figure = report.lead_time_figure(
            scores, [*learned, *_BASELINES], settings.steps, rollouts.correlation_threshold
        )
        report.save_png(figure, paths["lead_time"])
        figure = report.run_spectra_figure(
            scores, [*learned, "coarse_solver"], rollouts.spectrum_floor
        )
        report.save_png(figure, paths["spectra"])
    with xr.open_dataset(workspace.path("rollouts.nc"), engine="netcdf4") as fields:
        names = ["truth", *settings.compared, "coarse_solver"]
        report.save_png(report.rollouts_figure(fields, names), paths["rollouts"])
    return {
        "lead_time": report.Figure(
            paths["lead_time"], "Error, correlation, variance",
            "The line across the correlation is the threshold of the correlation time; the dotted "
            "one is the end, after which only the variance is judged. Grey: within a factor of "
            "two.",
        ),
        "spectra": report.Figure(
            paths["spectra"], "Spectra", "Shells in the grey part are left out of the error."
        ),
        "rollouts": report.Figure(
            paths["rollouts"], "One trajectory", "Every run starts from the same field."
        ),
    }  # fmt: skip


def _curves(
    workspace: Workspace, trainings: Mapping[str, Any], kind: str, title: str
) -> report.Figure:
    path = workspace.path(f"figures/training-{kind}.png")
    histories = {
        name: xr.load_dataset(
            workspace.path(f"training/{name}-{kind}/history.nc"), engine="netcdf4"
        )
        for name in trainings
    }
    report.save_png(report.learning_curves_figure(histories), path)
    return report.Figure(path, title, "The loss that is trained, on validation.")


def _percent(value: float | None) -> str:
    if value is None:
        return ""
    plain = value == 0 or 1e-4 <= value < 100
    return f"{value:.2%}" if plain else f"{100 * value:.1e}%"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)

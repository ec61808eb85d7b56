"""The end of an experiment that trains a closure in the simulation: metrics, figures, page."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import xarray as xr

from closurax import datasets

from .. import report
from ..workspace import Workspace
from .closure_training_settings import ClosureTraining
from .flat_metrics import flat_metrics
from .interval_text import interval_text

_LABELS = {"none": "no closure", "start": "before training", "trained": "after training"}


def write_report(
    settings: ClosureTraining,
    workspace: Workspace,
    *,
    training: Mapping[str, Any],
    by_closure: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`; returns metrics and findings."""
    metrics = flat_metrics(by_closure)
    metrics |= {f"training.{key}": float(training[key]) for key in training}
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    findings = _findings(settings, training, by_closure)
    after = by_closure["trained"]
    case = datasets.turbulence_case(settings.model.case)
    found = {
        name: xr.load_dataset(workspace.path(f"statistics/{name}.nc"), engine="netcdf4")
        for name in by_closure
    }
    history = xr.load_dataset(workspace.path("history.nc"), engine="netcdf4")
    drawings = {
        "learning": (
            report.learning_history_figure(history),
            "Learning",
            "What the training follows, window by window; the flow is chaotic, so that it stays "
            "noisy after the closure has settled.",
        ),
        "spectra": (
            report.case_spectra_figure(found, case),
            "Enstrophy by scale",
            "In free runs, from states that the training did not see. Below: the ratio to the DNS, "
            "with its sampling error in grey.",
        ),
    }
    figures = []
    for name, (drawing, title, caption) in drawings.items():
        path = workspace.path(f"figures/{name}.png")
        report.save_png(drawing, path)
        figures.append(report.Figure(path, title, caption))
    page = report.Page(
        title=settings.description[0].upper() + settings.description[1:],
        summary=(
            f"Trained in the running simulation on {settings.model.grid_points} x "
            f"{settings.model.grid_points} points; of the DNS it saw the mean enstrophy spectrum "
            f"of {settings.target.snapshots} snapshots. Judged in free runs against another DNS."
        ),
        cards=[
            ("Spectrum error before", _shown(by_closure["start"], "spectrum_error"), "of ln Z"),
            ("Spectrum error after", _shown(after, "spectrum_error"), "of ln Z"),
            ("Extremes beyond 4 std", _shown(after, "tail_ratio_4std"), "ratio to the DNS"),
            ("Training", f"{training['seconds']:.0f} s", f"{training['parameters']:,} parameters"),
        ],
        findings=findings,
        sections=[
            ("Free runs", "Against a DNS that nothing was trained on.", [figures[1]]),
            ("Numbers", "Ratios are to the DNS: one is perfect.", [_table(settings, by_closure)]),
            ("Training", "How the closure came to be.", [figures[0]]),
        ],
        provenance=[
            ("closurax", version("closurax")),
            ("Python", f"{platform.python_version()}, {os.cpu_count()} CPU cores"),
            ("Seed", str(settings.seed)),
        ],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def _findings(settings, training, by_closure) -> list[str]:
    start, after = by_closure["start"], by_closure["trained"]
    members = settings.check.members
    findings = [
        f"{training['iterations']} iterations took {training['seconds']:.0f} s, compilation "
        "included."
    ]
    if "spectrum_error" in after:
        before = (
            interval_text(start, "spectrum_error") if "spectrum_error" in start else "no run left"
        )
        without = interval_text(by_closure["none"], "spectrum_error")
        findings.append(
            "The root-mean-square error of the logarithm of the enstrophy spectrum in free runs: "
            f"{before} before, {interval_text(after, 'spectrum_error')} after, {without} without a "
            f"closure; the sampling error of the DNS is {after['reference_sampling_error']:.3f}."
        )
        findings.append(
            "Vorticity beyond 4 standard deviations is "
            f"{interval_text(after, 'tail_ratio_4std')} times as frequent as in the DNS."
        )
    findings.append(f"{after['blow_ups']:g} of {members} members blew up after the training.")
    ratio = after["seconds_per_time_unit"] / by_closure["none"]["seconds_per_time_unit"]
    findings.append(f"The simulation with the trained closure takes {ratio:.1f} times as long.")
    return findings


def _table(settings: ClosureTraining, by_closure) -> report.Table:
    columns = {
        "spectrum_error": "Spectrum\nlog error",
        "tail_ratio_3std": "Over 3 std\nratio",
        "tail_ratio_4std": "Over 4 std\nratio",
        "pdf_error": "Density\nlog error",
        "energy_ratio": "Energy\nratio",
        "enstrophy_ratio": "Enstrophy\nratio",
        "correlation_time_ratio": "Correlation time\nratio",
    }
    rows = [
        [_LABELS[name], *(interval_text(scores, key, "\n") for key in columns)]
        for name, scores in by_closure.items()
    ]
    return report.Table(
        header=["Closure", *columns.values()],
        rows=rows,
        caption=f"{settings.check.members} members, {settings.check.duration:g} s after "
        f"{settings.check.spin_up:g} s of spin-up; small numbers are "
        f"{100 * settings.check.confidence:g} % intervals.",
        marked=[len(rows) - 1],
    )


def _shown(scores: Mapping[str, float], key: str) -> str:
    return f"{scores[key]:.3f}" if key in scores else "–"

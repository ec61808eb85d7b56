"""The end of the experiment `subgrid-turbulence`: metrics, figures and the page."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Drawing

from closurax.physics.spectral import SpectralGrid

from .. import report
from ..workspace import Workspace
from .findings import cards, describe, label, ranking
from .flat_metrics import flat_metrics
from .judgement import compare, metrics_of_reference, metrics_of_run, statistics_of_run
from .run_file import open_run
from .subgrid_turbulence_settings import SubgridTurbulence


def write_report(
    settings: SubgridTurbulence,
    workspace: Workspace,
    *,
    training: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, float]],
    costs: Mapping[str, float],
) -> dict[str, Any]:
    """Writes `comparison.nc`, `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `settings`, `workspace`: of the run.
    - `training`: number of parameters, epochs and seconds of the training.
    - `scores`: a-priori scores by closure.
    - `costs`: seconds per simulated second and member, by closure.
    """
    grid = SpectralGrid(settings.model.grid_points)
    with xr.open_dataset(workspace.path("reference.nc"), engine="netcdf4") as file:
        reference = file.load()
    statistics, by_closure, last_fields = {}, {}, {}
    for name, cost in costs.items():
        run = open_run(workspace.path(f"runs/{name}.nc"))
        options = (reference, settings.comparison, settings.seed)
        statistics[name] = statistics_of_run(run, grid, *options)
        by_closure[name] = metrics_of_run(statistics[name], *options)
        by_closure[name]["seconds_per_time_unit"] = cost
        for score, value in scores.get(name, {}).items():
            by_closure[name][f"a_priori_{score}"] = value
        last_fields[name] = _last_field(run, settings)
    by_closure["reference"] = metrics_of_reference(reference, settings.comparison)
    comparison = compare(statistics)
    _write_netcdf(comparison, workspace, settings)
    metrics = flat_metrics(
        {
            name: {key: value for key, value in found.items() if np.isfinite(value)}
            for name, found in by_closure.items()
        }
    )
    for name in ("parameters", "epochs", "best_epoch", "validation_loss", "seconds"):
        metrics[f"training.{name}"] = float(training[name])
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))

    findings = describe(by_closure, settings.comparison)
    figures = _figures(workspace, settings, comparison, reference, last_fields)
    page = report.Page(
        title="Subgrid closures for two-dimensional turbulence",
        summary=(
            f"A {grid.nx} x {grid.ny} simulation with no closure, with each physical closure and "
            "with a closure learned offline, each judged against direct numerical simulation."
        ),
        cards=cards(by_closure),
        findings=findings,
        sections=_sections(settings, by_closure, training, figures),
        provenance=_provenance(settings, reference),
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def _last_field(run: xr.Dataset, settings: SubgridTurbulence) -> np.ndarray:
    """The first member at the end; NaN if the run stopped before."""
    field = run["vorticity"].isel(member=0, time=-1).values
    end = settings.comparison.spin_up + settings.comparison.duration
    stopped = float(run["time"][-1]) < end - 1e-6
    return np.full_like(field, np.nan) if stopped else field


def _write_netcdf(
    comparison: xr.Dataset, workspace: Workspace, settings: SubgridTurbulence
) -> None:
    path = workspace.path("comparison.nc")
    partial = path.with_name(path.name + ".partial")
    attrs = {
        "Conventions": "CF-1.11",
        "title": "statistics of two-dimensional turbulence with different closures",
        "source": f"closurax {version('closurax')}, jax {jax.__version__}",
        "seed": settings.seed,
        "configuration": settings.model_dump_json(),
    }
    comparison.assign_attrs(attrs).to_netcdf(partial, engine="netcdf4")
    os.replace(partial, path)


def _figures(
    workspace: Workspace,
    settings: SubgridTurbulence,
    comparison: xr.Dataset,
    reference: xr.Dataset,
    last_fields: Mapping[str, np.ndarray],
) -> dict[str, report.Figure]:
    judged = settings.comparison.judged_wavenumbers
    std = float(reference["vorticity_std"])
    percent = f"{100 * settings.comparison.confidence:g} %"
    with xr.open_dataset(workspace.path("training/history.nc"), engine="netcdf4") as file:
        history = file.load()
    fitted = ("learned", "linear")
    order = [*fitted, *(name for name in last_fields if name not in fitted)]
    fields = {"reference": reference["vorticity"].values}
    fields |= {name: last_fields[name] for name in order}
    drawn: dict[str, tuple[Drawing, str, str]] = {
        "snapshots": (
            report.snapshots_figure(fields, limit=2.5 * std),
            "Vorticity at the end of the runs",
            "The DNS, filtered to the wavenumbers that the model resolves, and the first member "
            "of every run on the same colour scale. Compare the texture, not the places: the "
            "flow is chaotic. Grainy fields hold too much at the smallest scales; blurred ones "
            "have lost what the DNS keeps there.",
        ),
        "spectra": (
            report.spectra_figure(comparison, reference, (judged[0], judged[1])),
            "Energy and enstrophy by scale",
            "Above the spectra, below their ratio to the DNS. The closer to one, the better; "
            "the errors in the table are the root mean square of the logarithm of this ratio "
            f"over k = {judged[0]} to {judged[1]}. The grey band spans the two halves of the "
            "DNS: what is inside it cannot be told from the DNS.",
        ),
        "tails": (
            report.tails_figure(comparison, reference),
            "Extremes",
            "The density of the vorticity and the probability of exceeding a threshold, both on "
            "a logarithmic axis. A curve below the black one means too few extreme eddies. "
            f"Bands: {percent} confidence of the DNS (grey) and of the learned closure.",
        ),
        "time_series": (
            report.time_series_figure(comparison, reference, settings.comparison.spin_up),
            "Energy and enstrophy in time",
            "Mean over the members; for the learned closure also the range of its members. "
            f"Grey: the mean of the DNS with its {percent} confidence. A drift after the spin-up, "
            "or a line that ends, marks a closure that cannot be left running.",
        ),
        "training": (
            report.training_figure(history),
            "Training of the learned closure",
            "Mean squared error of the subgrid tendency, relative to its variance: one is as "
            "good as no closure. A gap between the lines means that more data would help.",
        ),
    }
    figures = {}
    for name, (drawing, title, caption) in drawn.items():
        path = workspace.path(f"figures/{name}.png")
        report.save_png(drawing, path)
        figures[name] = report.Figure(path, title, caption)
    return figures


def _sections(settings, by_closure, training, figures):
    comparison = settings.comparison
    first, last = comparison.judged_wavenumbers
    start, end = comparison.spin_up, comparison.spin_up + comparison.duration
    return [
        (
            "The flow",
            "All runs start from filtered snapshots of the DNS and see the same forcing.",
            [figures["snapshots"]],
        ),
        (
            "Against the DNS",
            f"{comparison.members} members each, statistics from {start:g} to {end:g} s. Small "
            f"numbers are {100 * comparison.confidence:g} % bootstrap intervals. The mark is on "
            "the closest to the DNS, or the cheapest.",
            [_results_table(by_closure, first, last)],
        ),
        ("Spectra", "Where in scale a closure gains or loses.", [figures["spectra"]]),
        ("Tails", "What the mean hides.", [figures["tails"]]),
        ("Stability", "What happens in time.", [figures["time_series"]]),
        (
            "Before coupling",
            "Scores on a block of time that the training did not see, outside of any simulation. "
            "A closure that scores well here may still fail in the simulation, and the other way "
            f"round. The learned closure has {training['parameters']:,} parameters, trained for "
            f"{training['epochs']} epochs in {training['seconds']:.0f} s; epoch "
            f"{training['best_epoch']} was taken.",
            [_scores_table(by_closure), figures["training"]],
        ),
    ]


def _results_table(by_closure, first: int, last: int) -> report.Table:
    names = ["reference", *ranking(by_closure)]
    columns = {
        "enstrophy_spectrum_error": ("Enstrophy spectrum\nlog error", ".3f"),
        "energy_spectrum_error": ("Energy spectrum\nlog error", ".3f"),
        "tail_probability_3std": ("Over 3 std\n%", "%"),
        "tail_probability_4std": ("Over 4 std\n%", "%"),
        "mean_energy": ("Energy\nm² s⁻²", ".2f"),
        "mean_enstrophy": ("Enstrophy\ns⁻²", ".1f"),
    }
    rows = []
    for name in names:
        metrics = by_closure[name]
        row = [label(name), *(_cell(metrics, key, form) for key, (_, form) in columns.items())]
        if "members" in metrics:
            row.append(f"{metrics['blow_ups']:g} of {metrics['members']:g}")
            row.append(f"{1e3 * metrics['seconds_per_time_unit']:.1f}")
        else:
            row += ["", ""]
        rows.append(row)
    header = ["Closure", *(title for title, _ in columns.values()), "Blown up\nmembers", "Cost\nms"]
    floor = by_closure["reference"]["enstrophy_spectrum_difference_of_halves"]
    return report.Table(
        header=header,
        rows=rows,
        caption="Sorted by the error of the enstrophy spectrum: the root mean square of the "
        f"logarithm of its ratio to the DNS over k = {first} to {last}. By the same measure the "
        f"two halves of the DNS differ by {floor:.3f}. Over 3 and 4 std: how much of the area has "
        "a vorticity beyond so many standard deviations of the DNS. Cost: wall time per simulated "
        "second and member on this machine, without compilation. Statistics are of the members "
        "that did not blow up.",
        marked=[names.index("learned")],
        best=_best(names, by_closure, [*columns, "", "seconds_per_time_unit"]),
        colours=[report.look(name).colour for name in names],
    )


def _scores_table(by_closure) -> report.Table:
    columns = {
        "a_priori_correlation": ("Correlation\nwith the exact term", ".3f"),
        "a_priori_r2": ("R²\nexplained variance", ".3f"),
        "a_priori_enstrophy_transfer_ratio": ("Enstrophy transfer\nover the exact one", ".2f"),
        "a_priori_energy_transfer_ratio": ("Energy transfer\nover the exact one", ".2f"),
    }
    scored = [name for name in by_closure if "a_priori_r2" in by_closure[name]]
    names = sorted(scored, key=lambda name: -by_closure[name]["a_priori_r2"])
    rows = [
        [label(name), *(_cell(by_closure[name], key, form) for key, (_, form) in columns.items())]
        for name in names
    ]
    return report.Table(
        header=["Closure", *(title for title, _ in columns.values())],
        rows=rows,
        caption="One is perfect in every column, and no closure scores zero. Eddy viscosities are "
        "made for the transfer of enstrophy, not for the correlation; the exact transfer of energy "
        "is small, so that its ratio is large where a closure drains or feeds the large scales.",
        marked=[names.index("learned")],
        colours=[report.look(name).colour for name in names],
    )


def _cell(metrics: Mapping[str, float], key: str, form: str) -> str:
    if not np.isfinite(metrics.get(key, np.nan)):
        return "–"
    scale, form = (100.0, ".2f") if form == "%" else (1.0, form)
    text = f"{scale * metrics[key]:{form}}"
    if f"{key}_low" not in metrics:
        return text
    low, high = (f"{scale * metrics[f'{key}_{bound}']:{form}}" for bound in ("low", "high"))
    return f"{text}\n{low} to {high}"


def _best(names, by_closure, columns) -> dict[int, int]:
    """The row of the best closure by column: the smallest error, or the closest to the DNS."""
    best = {}
    for column, key in enumerate(columns, start=1):
        target = by_closure["reference"].get(key, 0.0)
        known = {
            row: abs(by_closure[name][key] - target)
            for row, name in enumerate(names)
            if name != "reference" and np.isfinite(by_closure[name].get(key, np.nan))
        }
        if known:
            best[column] = min(known, key=known.__getitem__)
    return best


def _provenance(settings: SubgridTurbulence, reference: xr.Dataset) -> list[tuple[str, str]]:
    versions = [f"{name} {version(name)}" for name in ("closurax", "jax", "equinox", "diffrax")]
    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    source = reference.attrs.get("source", "")
    return [
        ("Versions", f"{', '.join(versions)}, Python {platform.python_version()}"),
        ("Device", f"{devices}, {os.cpu_count()} CPU cores"),
        ("Seed", str(settings.seed)),
        ("Reference", settings.data.dns or f"shipped with closurax: {source}"),
        ("Training data", settings.data.pairs or settings.data.dns or "shipped with closurax"),
    ]

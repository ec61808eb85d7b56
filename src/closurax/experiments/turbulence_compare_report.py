"""The end of the experiment `turbulence-compare`: metrics, tables, figures and the page."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from closurax import datasets

from .. import report
from ..workspace import Workspace
from .flat_metrics import flat_metrics
from .interval_text import interval_text
from .turbulence_compare_settings import TUNED, TurbulenceCompare

Scores = Mapping[str, float]

_METHODS = ("online", "ppo", "vracer")
_GOAL_ERROR, _GOAL_TAIL = 0.10, 1.5


def write_report(
    settings: TurbulenceCompare,
    workspace: Workspace,
    *,
    fitted: Mapping[str, Mapping[str, Any]],
    costs: Scores,
    main: Mapping[str, Scores],
    elsewhere: Mapping[str, Mapping[str, Scores]],
) -> dict[str, Any]:
    """Writes `metrics.json`, `comparison.md`, the figures and `report.html`.

    **Arguments:**

    - `fitted`: what calibration and training returned, by closure.
    - `costs`: seconds for a simulated second of a member, by closure, and of the `dns`.
    - `main`, `elsewhere`: scores by closure, and by cell and closure.
    """
    everywhere = dict(main)
    for cell, by_closure in elsewhere.items():
        everywhere |= {f"{cell}.{name}": scores for name, scores in by_closure.items()}
    metrics = flat_metrics(everywhere)
    for name, results in fitted.items():
        if "seconds" in results:
            metrics[f"{name}.training_seconds"] = float(f"{results['seconds']:.6g}")
            metrics[f"{name}.parameters"] = float(results["parameters"])
    metrics |= {
        f"{name}.seconds_per_time_unit": float(f"{seconds:.6g}") for name, seconds in costs.items()
    }
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    tables = [_main_table(settings, main, fitted, costs), _physics_table(main)]
    if elsewhere:
        tables.append(_generalisation_table(settings, elsewhere))
    workspace.write_text("comparison.md", "\n\n".join(_markdown(table) for table in tables) + "\n")
    case = datasets.turbulence_case(settings.model.case)
    shown = [name for name in main if not name[-1].isdigit() or name.endswith("_0")]
    found = {
        name.removesuffix("_0"): xr.load_dataset(
            workspace.path(f"statistics/run-{name}.nc"), engine="netcdf4"
        )
        for name in shown
    }
    path = workspace.path("figures/spectra.png")
    report.save_png(report.case_spectra_figure(found, case), path)
    spectra = report.Figure(
        path,
        "Enstrophy by scale",
        "Below: the ratio to the DNS, with its sampling error in grey. Of the closures that were "
        "trained with several seeds the first.",
    )
    findings = _findings(settings, main, fitted)
    best = _ranked(main)[0]
    page = report.Page(
        title="Closures trained in the simulation",
        summary=(
            f"Physical closures with tuned constants and learned ones, all from the mean spectrum "
            f"of {settings.target.snapshots} snapshots, in {settings.check.members} runs of "
            f"{settings.check.duration:g} s each from states that none has seen, against a DNS "
            "that none has seen."
        ),
        cards=[
            ("Closest spectrum", label(best), f"error {main[best].get('spectrum_error', 0):.3f}"),
            *_cards(settings, main),
        ],
        findings=findings,
        sections=[
            ("Against the DNS", "Sorted by the error of the spectrum.", [tables[0], spectra]),
            ("Budgets, extremes and memory", "What the spectrum does not say.", [tables[1]]),
            *(
                [("Elsewhere", "Flows and grids that nothing was trained on.", [tables[2]])]
                if elsewhere
                else []
            ),
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


def label(name: str) -> str:
    """How a row is called."""
    method, _, seed = name.rpartition("_")
    if method in _METHODS:
        return f"{report.look(method).label}, seed {seed}"
    return report.look(name).label + (", tuned" if name in TUNED else "")


def _ranked(main: Mapping[str, Scores]) -> list[str]:
    return sorted(main, key=lambda name: main[name].get("spectrum_error", np.inf))


def _findings(settings, main, fitted) -> list[str]:
    ranked = [name for name in _ranked(main) if "spectrum_error" in main[name]]
    findings = []
    if ranked:
        closest = "; ".join(_with_error(name, main) for name in ranked[:3])
        floor = main[ranked[0]]["reference_sampling_error"]
        findings.append(
            f"Closest spectrum: {closest}. The sampling error of the DNS is {floor:.3f}."
        )
    for method in settings.learned.methods:
        rows = [main[f"{method}_{seed}"] for seed in range(settings.learned.seeds)]
        errors = [row["spectrum_error"] for row in rows if "spectrum_error" in row]
        tails = [row["tail_ratio_4std"] for row in rows if "tail_ratio_4std" in row]
        blown = sum(row["blow_ups"] for row in rows)
        if not errors:
            findings.append(f"{report.look(method).label}: no member survived.")
            continue
        seeds = range(settings.learned.seeds)
        seconds = [fitted[f"{method}_{seed}"]["seconds"] for seed in seeds]
        reaches = max(errors) <= _GOAL_ERROR and all(
            1 / _GOAL_TAIL <= tail <= _GOAL_TAIL for tail in tails
        )
        findings.append(
            f"{report.look(method).label}: spectrum error {np.mean(errors):.3f} (worst of "
            f"{len(rows)} seeds {max(errors):.3f}), {min(tails):.2f} to {max(tails):.2f} times the "
            f"extremes beyond 4 std, {blown:g} blown-up members, trained in "
            f"{np.mean(seconds):.0f} s; it {'reaches' if reaches else 'misses'} an error of "
            f"{_GOAL_ERROR:g} with extremes within a factor of {_GOAL_TAIL:g}."
        )
    physical = [name for name in ranked if name in settings.physical]
    learned = [name for name in ranked if name.rpartition("_")[0] in _METHODS]
    if physical and learned:
        best, other = learned[0], physical[0]
        apart = main[best]["spectrum_error_high"] < main[other]["spectrum_error_low"]
        verdict = "is closer than" if apart else "cannot be told from"
        findings.append(
            f"The best learned closure, {_with_error(best, main)}, {verdict} the best physical "
            f"one, {_with_error(other, main)}."
        )
    return findings


def _with_error(name: str, main: Mapping[str, Scores]) -> str:
    return f"{label(name)} {interval_text(main[name], 'spectrum_error')}"


def _cards(settings, main) -> list[tuple[str, str, str]]:
    cards = []
    for method in settings.learned.methods:
        rows = [main[f"{method}_{seed}"] for seed in range(settings.learned.seeds)]
        errors = [row["spectrum_error"] for row in rows if "spectrum_error" in row]
        shown = f"{np.mean(errors):.3f}" if errors else "none"
        cards.append(
            (report.look(method).label, shown, f"spectrum error, mean of {len(rows)} seeds")
        )
    return cards


def _main_table(settings, main, fitted, costs) -> report.Table:
    rows, cost = [], {name: seconds / costs["none"] for name, seconds in costs.items()}
    for name in _ranked(main):
        scores = main[name]
        results = fitted.get(name, {})
        rows.append(
            [
                label(name),
                interval_text(scores, "spectrum_error", "\n"),
                interval_text(scores, "tail_ratio_3std", "\n"),
                interval_text(scores, "tail_ratio_4std", "\n"),
                interval_text(scores, "tail_ratio_5std", "\n"),
                interval_text(scores, "pdf_error", "\n"),
                f"{scores['blow_ups']:g} of {settings.check.members}",
                f"{cost[name]:.1f}",
                f"{results['seconds']:.0f}" if "seconds" in results else "",
            ]
        )
    return report.Table(
        header=[
            "Closure",
            "Spectrum\nlog error",
            "Over 3 std\nratio",
            "Over 4 std\nratio",
            "Over 5 std\nratio",
            "Density\nlog error",
            "Blown up\nmembers",
            "Cost\nof no closure",
            "Training\ns",
        ],
        rows=rows,
        caption=f"Root mean square of ln Z over k = 1 to {(settings.model.grid_points - 1) // 3}; "
        f"small numbers are {100 * settings.check.confidence:g} % intervals from members and "
        f"blocks of the DNS. Ratios are to the DNS, which costs {cost['dns']:,.0f} "
        "times as much as no closure.",
        marked=[i for i, name in enumerate(_ranked(main)) if name.rpartition("_")[0] in _METHODS],
    )


def _physics_table(main: Mapping[str, Scores]) -> report.Table:
    columns = {
        "energy_ratio": "Energy\nratio",
        "enstrophy_ratio": "Enstrophy\nratio",
        "correlation_time_ratio": "Correlation time\nratio",
        "return_level_ratio_10s": "Level of 10 s\nratio",
        "return_level_ratio_50s": "Level of 50 s\nratio",
        "subgrid_energy_rate": "Subgrid energy\n1e-3 m² s⁻³",
        "subgrid_backscatter_rate": "Backscatter\n1e-3 m² s⁻³",
    }
    rows = []
    for name in _ranked(main):
        row = [label(name)]
        for key in columns:
            scale = 1e3 if key.endswith("_rate") else 1.0
            row.append(f"{scale * main[name][key]:.2f}" if key in main[name] else "–")
        rows.append(row)
    dns = next((s for s in main.values() if "subgrid_energy_rate_dns" in s), {})
    rows.append(
        [
            "DNS",
            *("1.00" for _ in range(5)),
            *(
                f"{1e3 * dns[key]:.2f}" if key in dns else "–"
                for key in ("subgrid_energy_rate_dns", "subgrid_backscatter_rate_dns")
            ),
        ]
    )
    return report.Table(
        header=["Closure", *columns.values()],
        rows=rows,
        caption="Level of 10 s: the largest vorticity that is exceeded once in 10 s. Subgrid "
        "energy: what the closure gives to the resolved flow; backscatter: what it gives to the "
        "shells that it feeds.",
    )


def _generalisation_table(settings: TurbulenceCompare, elsewhere) -> report.Table:
    cells = list(elsewhere)
    names = list(elsewhere[cells[0]])
    rows = [
        [
            label(name),
            *(
                interval_text(elsewhere[cell][name], "spectrum_error", "\n")
                if "spectrum_error" in elsewhere[cell][name]
                else "blew up"
                for cell in cells
            ),
        ]
        for name in names
    ]
    return report.Table(
        header=["Closure", *(cell.replace("_", " ") for cell in cells)],
        rows=rows,
        caption="Error of the spectrum over all resolved wavenumbers, in flows and on grids that "
        f"nothing was trained on; {settings.generalisation.members} members each.",
        marked=[i for i, name in enumerate(names) if name.rpartition("_")[0] in _METHODS],
    )


def _markdown(table: report.Table) -> str:
    def line(cells) -> str:
        return "| " + " | ".join(str(cell).replace("\n", " ") for cell in cells) + " |"

    rule = "|" + "---|" * len(table.header)
    return "\n".join([line(table.header), rule, *(line(row) for row in table.rows)])

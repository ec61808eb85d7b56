"""The end of an experiment in which Gaussians evolve: metrics, figures and the page."""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from .. import report
from ..workspace import Workspace
from .field_evolution_settings import FieldEvolution
from .field_report_parts import (
    PAPER,
    SEARCH_CAPTION,
    Scores,
    gaussian_figures,
    provenance,
    score_cell,
    solution_figures,
)
from .flat_metrics import flat_metrics
from .gaussian_search import read_search

_LABELS = {"modes": "global modes by the same method", "nodes": "nodes of finite differences"}


def write_report(
    settings: FieldEvolution,
    workspace: Workspace,
    *,
    judged: Mapping[str, Scores],
    convergence: Mapping[str, Scores],
    baselines: Mapping[str, Mapping[str, Scores]],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `judged`: the Gaussians, mean and worst of the seeds, and the zero field.
    - `convergence`: by the number of Gaussians, for the first seed.
    - `baselines`: by name and number.
    """
    found = {
        **judged,
        **{f"gaussians_{count}": scores for count, scores in convergence.items()},
        **{
            f"{name}_{count}": scores
            for name, by_count in baselines.items()
            for count, scores in by_count.items()
        },
    }
    metrics = flat_metrics(found)
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    gaussians, published = judged["gaussians"], settings.problem.published
    cards = [("relative L2 error", f"{gaussians['relative_l2']:.1e}", "Gaussians")]
    if settings.seeds > 1:
        cards.append(
            ("worst seed", f"{gaussians['relative_l2_worst']:.1e}", f"of {settings.seeds}")
        )
    for name, by_count in baselines.items():
        if not by_count:
            continue
        best = _best(by_count)
        cards.append((f"{best} {_LABELS[name]}", f"{by_count[best]['relative_l2']:.1e}", "best"))
    if published is not None:
        cards.append(("published for Gaussians", f"{published:.2e}", PAPER))
    findings = _findings(settings, judged, convergence, baselines)
    page = report.Page(
        title=settings.problem.title,
        summary=(
            f"A sum of {settings.gaussians} Gaussians in space follows the equation, projected on "
            "their span: their weights are the state of a solve in time. Where they are follows "
            "the curvature in runs with fewer of them. No value of the solution is used; then it "
            f"is compared with it on {' x '.join(map(str, settings.test_shape))} points."
        ),
        cards=cards,
        findings=findings,
        sections=_sections(settings, workspace, judged, convergence, baselines),
        provenance=[*provenance(), ("published errors", PAPER)],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def _best(by_count: Mapping[str, Scores]) -> str:
    return min(by_count, key=lambda count: by_count[count]["relative_l2"])


def _findings(
    settings: FieldEvolution,
    judged: Mapping[str, Scores],
    convergence: Mapping[str, Scores],
    baselines: Mapping[str, Mapping[str, Scores]],
) -> list[str]:
    gaussians = judged["gaussians"]
    error = gaussians["relative_l2"]
    several = f" (worst of {settings.seeds} seeds {gaussians['relative_l2_worst']:.1e})"
    lines = [
        f"{settings.gaussians} Gaussians have a relative L2 error of {error:.1e}"
        f"{several if settings.seeds > 1 else ''} after {gaussians['seconds']:.0f} s; the zero "
        "field has 1."
    ]
    by_number = {**convergence, str(settings.gaussians): gaussians}
    for name, by_count in baselines.items():
        for count in sorted(by_count, key=int):
            other = by_count[count]["relative_l2"]
            text = f"{count} {_LABELS[name]} have {other:.1e}"
            if count in by_number:
                ratio = other / by_number[count]["relative_l2"]
                text += (
                    f", {ratio:.2g} times that of as many Gaussians"
                    if ratio > 1
                    else f": {1 / ratio:.2g} times better than as many Gaussians"
                )
            lines.append(f"{text}.")
    asked = {"Gaussians": settings.convergence}
    asked |= {_LABELS["modes"]: settings.modes, _LABELS["nodes"]: settings.nodes}
    for (label, counts), reached in zip(
        asked.items(), (convergence, *baselines.values()), strict=True
    ):
        lines += [
            f"{count} {label} do not reach the end."
            for count in counts
            if str(count) not in reached
        ]
    published = settings.problem.published
    if published is not None:
        than = "less" if error < published else "more"
        factor = max(published / error, error / published)
        lines.append(
            f"Published for Gaussians is {published:.2e}, by {PAPER}: the error here is "
            f"{factor:.2g} times {than}. There time is one more coordinate and everything is "
            "trained by gradients; number of Gaussians, computer and time differ, too."
        )
    return lines


def _sections(settings, workspace, judged, convergence, baselines):
    rows: list[tuple[str, str, Scores]] = [
        ("gaussians", f"{count} Gaussians", scores) for count, scores in convergence.items()
    ]
    rows.append(("gaussians", f"{settings.gaussians} Gaussians", judged["gaussians"]))
    rows += [
        (name, f"{count} {_LABELS[name]}", scores)
        for name, by_count in baselines.items()
        for count, scores in by_count.items()
    ]
    rows.append(("zero", "Zero field", judged["zero"]))
    keys = (
        ("relative_l2", ".2e"), ("max_error", ".2e"), ("residual", ".2e"),
        ("seconds", ".1f"), ("cpu_seconds", ".1f"),
    )  # fmt: skip
    table = report.Table(
        [
            "",
            "relative L2",
            "largest error",
            "residual\nnine tenths below",
            "time\ns",
            "CPU time\ns",
        ],
        [[label] + [score_cell(scores, *key) for key in keys] for _, label, scores in rows],
        f"The marked row is the mean of {settings.seeds} seeds with the worst of them below, all "
        f"others are of seed {settings.seed}. Residuals are those of the equation and its "
        "conditions at points that were not used. Times contain the search for centres, and "
        "compilation.",
        marked=[len(convergence)],
        colours=[report.look(name).colour for name, _, _ in rows],
    )
    errors = {
        "gaussians": {int(count): scores["relative_l2"] for count, scores in convergence.items()}
        | {settings.gaussians: judged["gaussians"]["relative_l2"]},
        **{
            name: {int(scores["unknowns"]): scores["relative_l2"] for scores in by_count.values()}
            for name, by_count in baselines.items()
        },
    }
    path = workspace.path("figures/convergence.png")
    report.save_png(report.field_convergence_figure(errors, settings.problem.published), path)
    convergence_figure = report.Figure(
        path, "Error on the test grid", "By the number of unknowns at one time."
    )
    return [
        ("All solutions", "One table, one test grid.", [table]),
        ("The solution", "Of the first seed.", solution_figures(workspace)),
        ("The Gaussians", "Of the first seed.", _gaussians(settings, workspace)),
        ("Convergence", "Error by the number of unknowns.", [convergence_figure]),
    ]


def _gaussians(settings: FieldEvolution, workspace: Workspace) -> list[report.Figure]:
    problem = settings.problem.made()
    time, *names = [quantity.name for quantity in problem.coordinates]
    if len(names) > 1:
        lower, upper = (
            dict(zip(names, each[1:], strict=True)) for each in (problem.lower, problem.upper)
        )
        return gaussian_figures(workspace, lower, upper, time)
    path, search = (workspace.path(f"figures/{name}.png") for name in ("gaussians", "search"))
    with xr.open_dataset(workspace.path("gaussians.nc"), engine="netcdf4") as found:
        report.save_png(report.weights_over_time_figure(found, time, names[0]), path)
    report.save_png(report.spacing_figure(read_search(workspace), names[0]), search)
    return [
        report.Figure(
            path,
            "Centres and weights in time",
            "Each column is a Gaussian, at its centre and as wide as the distance to the next; its "
            "colour is the size of its weight at that time.",
        ),
        report.Figure(search, "On the way", SEARCH_CAPTION),
    ]

"""The end of an experiment on fields: metrics, figures and the page."""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from .. import report
from ..workspace import Workspace
from .field_report_parts import (
    PAPER,
    Scores,
    gaussian_figures,
    provenance,
    score_cell,
    solution_figures,
)
from .field_settings import FieldExperiment
from .flat_metrics import flat_metrics


def write_report(
    settings: FieldExperiment,
    workspace: Workspace,
    *,
    judged: Mapping[str, Scores],
    convergence: Mapping[str, Scores],
    polynomials: Mapping[str, Scores],
) -> dict[str, Any]:
    """Writes `metrics.json`, the figures and `report.html`.

    **Arguments:**

    - `judged`: the Gaussians, mean and worst of the seeds, and the zero field.
    - `convergence`, `polynomials`: by their number, for the first seed.
    """
    found = {
        **judged,
        **{f"gaussians_{count}": scores for count, scores in convergence.items()},
        **{f"polynomials_{count}": scores for count, scores in polynomials.items()},
    }
    metrics = flat_metrics(found)
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    gaussians = judged["gaussians"]
    best = best_polynomials(polynomials)
    published = settings.problem.published
    cards = [
        ("relative L2 error", f"{gaussians['relative_l2']:.1e}", "Gaussians, mean of the seeds"),
        ("worst seed", f"{gaussians['relative_l2_worst']:.1e}", f"of {settings.seeds}"),
        (
            f"{best} Chebyshev polynomials",
            f"{polynomials[best]['relative_l2']:.1e}",
            "relative L2 error",
        ),
    ]
    if published is not None:
        cards.append(("published for Gaussians", f"{published:.2e}", PAPER))
    findings = _findings(settings, judged, convergence, polynomials)
    page = report.Page(
        title=settings.problem.title,
        summary=(
            f"A sum of {settings.gaussians} Gaussians is fitted to the equation and its "
            "conditions, without any value of the solution, and then compared with it on "
            f"{settings.test_points} points an axis."
        ),
        cards=cards,
        findings=findings,
        sections=_sections(settings, workspace, judged, convergence, polynomials),
        provenance=[*provenance(), ("published errors", PAPER)],
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def best_polynomials(polynomials: Mapping[str, Scores]) -> str:
    """The number of them that has the smallest error."""
    return min(polynomials, key=lambda count: polynomials[count]["relative_l2"])


def _findings(
    settings: FieldExperiment,
    judged: Mapping[str, Scores],
    convergence: Mapping[str, Scores],
    polynomials: Mapping[str, Scores],
) -> list[str]:
    gaussians, best = judged["gaussians"], best_polynomials(polynomials)
    error, worst = gaussians["relative_l2"], gaussians["relative_l2_worst"]
    other = polynomials[best]
    several = f" in the mean of {settings.seeds} seeds and {worst:.1e} in the worst"
    lines = [
        f"{settings.gaussians} Gaussians have a relative L2 error of {error:.1e}"
        f"{several if settings.seeds > 1 else ''}, after {gaussians['seconds']:.1f} s; the zero "
        "field has 1."
    ]
    ratio = error / other["relative_l2"]
    if ratio > 2:
        verdict = f"Polynomials win: {ratio:.2g} times smaller is the error of"
    elif ratio < 0.5:
        verdict = f"Gaussians win: {1 / ratio:.2g} times larger is the error of"
    else:
        verdict = "Neither wins by a factor of two, against"
    lines.append(
        f"{verdict} {best} Chebyshev polynomials with the same solver, {other['relative_l2']:.1e} "
        f"after {other['seconds']:.1f} s."
    )
    by_number = {**convergence, str(settings.gaussians): gaussians}
    smaller: list[str] = []
    larger: list[str] = []
    for count in sorted(by_number.keys() & polynomials.keys(), key=int):
        wins = by_number[count]["relative_l2"] < polynomials[count]["relative_l2"]
        (smaller if wins else larger).append(count)
    if smaller or larger:
        lines.append(
            "With equal numbers of weights Gaussians have the smaller error for "
            f"{_listed(smaller)} and polynomials for {_listed(larger)}; a Gaussian has its centre "
            "and widths besides."
        )
    if ratio > 0.5:
        lines.append(
            "For a smooth solution on a box polynomials are at least as good a choice: this "
            "problem shows that Gaussians converge, not that they are needed."
        )
    published = settings.problem.published
    if published is not None:
        than = "less" if error < published else "more"
        factor = max(published / error, error / published)
        lines.append(
            f"Published for Gaussians is {published:.2e}, by {PAPER}: "
            f"the mean here is {factor:.2g} times {than}. There centres, widths and weights are "
            "trained by gradients, here the weights are solved for; number of Gaussians, computer "
            "and time differ, too."
        )
    return lines


def _listed(counts: list[str]) -> str:
    return ", ".join(counts) if counts else "none"


def _sections(settings, workspace, judged, convergence, polynomials):
    rows: list[tuple[str, str, Scores]] = [
        ("gaussians", f"{count} Gaussians", scores) for count, scores in convergence.items()
    ]
    rows.append(("gaussians", f"{settings.gaussians} Gaussians", judged["gaussians"]))
    rows += [
        ("polynomials", f"{count} polynomials", scores) for count, scores in polynomials.items()
    ]
    rows.append(("zero", "Zero field", judged["zero"]))
    table = report.Table(
        [
            "", "parameters", "relative L2", "largest error", "residual\nnine tenths below",
            "time\ns", "CPU time\ns",
        ],
        [
            [label, f"{scores['parameters']:,.0f}"]
            + [
                score_cell(scores, key, shown)
                for key, shown in (
                    ("relative_l2", ".2e"), ("max_error", ".2e"), ("residual", ".2e"),
                    ("seconds", ".1f"), ("cpu_seconds", ".1f"),
                )
            ]
            for _, label, scores in rows
        ],
        f"The marked row is the mean of {settings.seeds} seeds with the worst of them below, all "
        f"others are of seed {settings.seed}. Parameters of a Gaussian: centre, width along each "
        "axis, weight of each field. Residuals are those of the equation and its conditions at "
        "points that no fit used. Times contain the search for widths, or degrees, and compilation "
        "where a function is first needed.",
        marked=[len(convergence)],
        colours=[report.look(name).colour for name, _, _ in rows],
    )  # fmt: skip
    errors = {
        "gaussians": {
            int(scores["unknowns"]): scores["relative_l2"] for scores in convergence.values()
        } | {settings.gaussians * _fields(workspace): judged["gaussians"]["relative_l2"]},
        "polynomials": {
            int(scores["unknowns"]): scores["relative_l2"] for scores in polynomials.values()
        },
    }  # fmt: skip
    return [
        ("All fits", "One table, one test grid.", [table]),
        ("The solution", "Of the first seed.", solution_figures(workspace)),
        ("The Gaussians", "Of the first seed.", gaussian_figures(workspace, *_box(settings))),
        (
            "Convergence",
            "Error by the number of weights that are solved for.",
            [_convergence(settings, workspace, errors)],
        ),
    ]


def _fields(workspace: Workspace) -> int:
    with xr.open_dataset(workspace.path("gaussians.nc"), engine="netcdf4") as gaussians:
        return gaussians.sizes["field"]


def _box(settings: FieldExperiment) -> tuple[dict[str, float], dict[str, float]]:
    problem = settings.problem.made()
    names = [quantity.name for quantity in problem.coordinates]
    return dict(zip(names, problem.lower, strict=True)), dict(
        zip(names, problem.upper, strict=True)
    )


def _convergence(
    settings: FieldExperiment, workspace: Workspace, errors: Mapping[str, Mapping[int, float]]
) -> report.Figure:
    path = workspace.path("figures/convergence.png")
    figure = report.field_convergence_figure(errors, settings.problem.published)
    report.save_png(figure, path)
    caption = "Gaussians at their full number: mean of the seeds; all others of the first seed."
    return report.Figure(path, "Error on the test grid", caption)

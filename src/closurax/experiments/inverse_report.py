"""The end of `inverse-allen-cahn-pig`: metrics, figure and the page."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import report
from ..workspace import Workspace
from .field_report_parts import provenance
from .inverse_settings import InverseAllenCahn

_METHODS = {
    "gaussians": "Gaussians",
    "solver": "Spectral solver",
    "weak_regression": "Regression, weak form",
    "regression": "Regression of derivatives",
}
_SYMBOLS = {"reaction_rate": "reaction rate", "diffusivity": "diffusivity"}
# Of a normal distribution, within which 95 % lie.
_INTERVAL = 1.96


def write_report(
    settings: InverseAllenCahn, workspace: Workspace, given: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Writes `metrics.json`, the figure and `report.html`.

    **Arguments:**

    - `given`: what the stages found: `bound`, `gaussians_one`, `gaussians_both` and `baselines`.
    """
    bound = given["bound"]
    found = {
        **{name: given[name] for name in ("gaussians_one", "gaussians_both")},
        **given["baselines"],
    }
    truth = settings.truth.model_dump()
    metrics: dict[str, float] = {}
    for setting in ("one", "both"):
        for name, deviation in bound[setting].items():
            metrics[f"bound_{setting}.{name}_deviation"] = deviation
    for method, outcome in found.items():
        for name, estimates in outcome.items():
            if name in truth:
                scores = _scores(estimates, truth[name])
                metrics |= {f"{method}.{name}_{key}": value for key, value in scores.items()}
        for key in ("seconds", "cpu_seconds"):
            if key in outcome:
                metrics[f"{method}.{key}"] = outcome[key]
    metrics = {name: float(f"{value:.6g}") for name, value in metrics.items()}
    workspace.write_text("metrics.json", json.dumps(metrics, indent=1, allow_nan=False))

    path = workspace.path("figures/estimates.png")
    panels = [
        (title, given[f"gaussians_{setting}"][name], truth[name], bound[setting][name])
        for title, setting, name in (
            ("reaction rate, alone", "one", "reaction_rate"),
            ("reaction rate, of both", "both", "reaction_rate"),
            ("diffusivity, of both", "both", "diffusivity"),
        )
    ]
    report.save_png(report.estimates_figure(panels), path)
    findings = _findings(settings, metrics)
    rate = metrics["gaussians_one.reaction_rate_error"]
    page = report.Page(
        title="The coefficients of the Allen-Cahn equation from noisy observations",
        summary=(
            f"{bound['observations']:,} values of the solution with noise of "
            f"{settings.observations.noise:.0%} are all that is known, and the form of the "
            "equation. Coefficients are those with which its solution, a sum of Gaussians in "
            "space that evolves by diffrax, is closest to the observations."
        ),
        cards=[
            ("error of the reaction rate", f"{rate:.1e}", "relative, root mean square"),
            (
                "bound of Cramér and Rao",
                f"{metrics['bound_one.reaction_rate_deviation']:.1e}",
                "for any unbiased estimate",
            ),
            (
                "regression, weak form",
                f"{metrics['weak_regression_one.reaction_rate_error']:.1e}",
                "the same observations",
            ),
        ],
        findings=findings,
        sections=[
            ("All methods", "The same observations.", [_table(settings, metrics)]),
            (
                "Estimates",
                "By Gaussians.",
                [
                    report.Figure(
                        path,
                        "Relative errors for each realisation of the noise",
                        "Bars are intervals of 95 % from the fit; the band is the bound of Cramér "
                        "and Rao, as wide.",
                    )
                ],
            ),
        ],
        provenance=provenance(),
        configuration=workspace.path("config.toml").read_text(encoding="utf-8"),
    )
    workspace.write_text("report.html", page.html())
    return {"metrics": metrics, "findings": findings}


def _scores(estimates: Mapping[str, list[float]], truth: float) -> dict[str, float]:
    """Relative errors, and how the stated standard deviations compare with them."""
    errors = np.asarray(estimates["values"]) / truth - 1
    scores = {
        "error": float(np.sqrt(np.mean(errors**2))),
        "error_worst": float(np.abs(errors).max()),
        "bias": float(errors.mean()),
    }
    deviations = np.asarray(estimates["deviations"]) / truth
    if len(deviations):
        scores["deviation"] = float(deviations.mean())
        scores["covered"] = float(np.mean(np.abs(errors) <= _INTERVAL * deviations))
    return scores


def _findings(settings: InverseAllenCahn, metrics: Mapping[str, float]) -> list[str]:
    def of(method: str, name: str, key: str) -> float:
        return metrics[f"{method}.{name}_{key}"]

    lines = []
    for setting, names in (("one", ["reaction_rate"]), ("both", ["reaction_rate", "diffusivity"])):
        for name in names:
            method, bound = f"gaussians_{setting}", of(f"bound_{setting}", name, "deviation")
            alone = "alone" if setting == "one" else "found with the other coefficient"
            lines.append(
                f"The {_SYMBOLS[name]}, {alone}: relative error {of(method, name, 'error'):.2e} "
                f"(worst of {settings.realisations} realisations "
                f"{of(method, name, 'error_worst'):.2e}); stated "
                f"{of(method, name, 'deviation'):.2e}, possible at best {bound:.2e}; "
                f"{of(method, name, 'covered'):.0%} of the true values are in the intervals of "
                "95 %."
            )
    # Both of the same realisation of the noise.
    lines.append(
        "The spectral solver, fitted by the same least squares, is as good: for the first "
        f"realisation its error is {of('solver_one', 'reaction_rate', 'error'):.2e}, after "
        f"{metrics['solver_one.cpu_seconds']:.0f} CPU s. Where the equation and the initial state "
        "are known, a field of Gaussians adds nothing to the accuracy."
    )
    error = of("gaussians_one", "reaction_rate", "error")
    times = of("weak_regression_one", "reaction_rate", "error") / error
    lines.append(
        f"Regression of the noisy equation is {times:.2g} times worse in its weak form for the "
        "reaction rate alone, and misses the diffusivity by "
        f"{of('weak_regression_both', 'diffusivity', 'error'):.1%}; with derivatives of the "
        f"observations by {of('regression_both', 'diffusivity', 'error'):.0%}."
    )
    return lines


def _table(settings: InverseAllenCahn, metrics: Mapping[str, float]) -> report.Table:
    rows = []
    for setting, label in (("one", "reaction rate unknown"), ("both", "both unknown")):
        for method, title in _METHODS.items():
            cells = [f"{title}, {label}"]
            for name in ("reaction_rate", "diffusivity"):
                for key in ("error", "error_worst", "deviation", "covered"):
                    value = metrics.get(f"{method}_{setting}.{name}_{key}")
                    shown = ".0%" if key == "covered" else ".1e"
                    cells.append("" if value is None else format(value, shown))
            seconds = metrics.get(f"{method}_{setting}.cpu_seconds")
            rows.append([*cells, "" if seconds is None else f"{seconds:.0f}"])
    columns = ["error", "worst", "stated", "in 95 %"]
    return report.Table(
        ["", *(f"reaction rate\n{key}" for key in columns),
         *(f"diffusivity\n{key}" for key in columns), "CPU time\ns"],
        rows,
        f"Relative errors: root mean square and worst of {settings.realisations} realisations of "
        "the noise; the spectral solver has the first one only. *Stated* is the standard deviation "
        "from the linearised fit. The time is that of one fit, with compilation.",
        marked=[0, 4],
        colours=[report.look(method).colour for method in _METHODS] * 2,
    )  # fmt: skip

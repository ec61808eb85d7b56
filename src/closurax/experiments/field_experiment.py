"""Experiments `...-pig`: differential equations solved by Gaussians, blind, then judged."""

import json
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax

from closurax.datasets.netcdf_output import write_netcdf
from closurax.surrogates.fields import LinearField

from ..workspace import Stage, Workspace
from .field_baselines import zero_field
from .field_judge import FieldJudge
from .field_report import write_report
from .field_settings import FieldExperiment
from .gaussian_file import read_gaussians, write_gaussians
from .gaussian_search import write_search
from .parameter_count import parameter_count
from .timing import summary_over_seeds, timed


def run(settings: FieldExperiment, workspace: Workspace) -> dict[str, float]:
    """Fits with every seed, judges the fits and the baselines, and writes the report."""
    # The weights of smooth functions that overlap are only found in double precision.
    with jax.enable_x64(True):
        experiment = _Experiment(settings, workspace)
        fits = [experiment.fit(index) for index in range(settings.seeds)]
        convergence = experiment.converge()
        polynomials = experiment.fit_baseline()
        judged = experiment.judge(fits)
        given = {"judged": judged, "convergence": convergence, "polynomials": polynomials}
        return workspace.report(
            {name: stage.fingerprint for name, stage in given.items()},
            lambda: write_report(
                settings, workspace, **{name: stage.results for name, stage in given.items()}
            ),
        )


class _Experiment:
    def __init__(self, settings: FieldExperiment, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self.problem = settings.problem.made()

    def fit(self, index: int) -> Stage:
        settings, seed = self.settings, self.settings.seed + index
        inputs = self._inputs(gaussians=settings.gaussians, seed=seed)

        def work() -> dict[str, Any]:
            fit, seconds = timed(lambda: settings.problem.fit(settings.gaussians, seed))
            # The configuration is what the fit depends on, not all of the run.
            attributes: dict[str, str | int | float] = {
                "seed": seed,
                "configuration": json.dumps(inputs, sort_keys=True),
            }

            def write(path, each, found):
                write_gaussians(path, self.problem, each.field, attributes | found)

            write(self._file(index), fit, {})
            if index == 0:
                write_search(self.workspace, (*fit.search, fit), write)
            return {**seconds, "overlap": fit.overlap, "per_axis": list(fit.per_axis)}

        title = f"fitting {settings.gaussians} Gaussians, seed {seed}"
        return self.workspace.stage(f"fit-{index}", title, inputs, work)

    def converge(self) -> Stage:
        counts, problem, seed = self.settings.convergence, self.settings.problem, self.settings.seed

        def work() -> dict[str, Any]:
            return self._each(counts, lambda count: problem.fit(count, seed).field)

        inputs = self._inputs(counts=counts, test_points=self.settings.test_points)
        return self.workspace.stage("convergence", "fitting other numbers", inputs, work)

    def fit_baseline(self) -> Stage:
        counts, problem, seed = self.settings.polynomials, self.settings.problem, self.settings.seed

        def work() -> dict[str, Any]:
            return self._each(counts, lambda count: problem.fit_polynomials(count, seed))

        inputs = self._inputs(counts=counts, test_points=self.settings.test_points)
        return self.workspace.stage("polynomials", "fitting polynomials", inputs, work)

    def judge(self, fits: list[Stage]) -> Stage:
        inputs = {
            "fits": [stage.fingerprint for stage in fits],
            "test_points": self.settings.test_points,
        }

        def work() -> dict[str, Any]:
            each = []
            for index, stage in enumerate(fits):
                field = self.settings.problem.completed(read_gaussians(self._file(index)))
                timings = {name: stage.results[name] for name in ("seconds", "cpu_seconds")}
                each.append(self._scores(field) | timings)
                if index == 0:
                    solution = self._judge.solution(self.settings.problem.shown(field))
                    write_netcdf(solution, self.workspace.path("solution.nc"))
            return {
                "gaussians": summary_over_seeds(each),
                "zero": self._judge.scores(zero_field(self._judge.problem)) | {"parameters": 0.0},
            }

        return self.workspace.stage("judge", "judging on the test grid", inputs, work)

    @cached_property
    def _judge(self) -> FieldJudge:
        settings, problem = self.settings, self.settings.problem
        return FieldJudge(
            problem.judged(), settings.test_points, settings.seed, problem.judged_by_residual
        )

    def _scores(self, field: LinearField) -> dict[str, float]:
        scores = self._judge.scores(self.settings.problem.shown(field))
        # Not those of what is known in closed form.
        return scores | {"parameters": float(parameter_count((field.features, field.weights)))}

    def _each(
        self, counts: list[int], fit: Callable[[int], LinearField]
    ) -> dict[str, dict[str, float]]:
        found = {}
        for count in counts:
            field, seconds = timed(partial(fit, count))
            unknowns = {"unknowns": float(field.weights.size)}
            found[str(count)] = self._scores(field) | seconds | unknowns
        return found

    def _inputs(self, **others: Any) -> dict[str, Any]:
        return {
            "problem": self.settings.problem.model_dump(),
            "seed": self.settings.seed,
            **others,
        }

    def _file(self, index: int):
        return self.workspace.path("gaussians.nc" if index == 0 else f"gaussians-{index}.nc")

"""Experiments in which Gaussians evolve: solved without a reference, then judged by one."""

import json
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics.errors import BlowUpError
from closurax.physics.problems import AbstractEvolution, Clustered, grid_axes
from closurax.surrogates.fields import EvolvedField
from closurax.surrogates.training import GaussianEvolution, evolve_gaussians

from ..workspace import Stage, Workspace
from .evolution_file import read_evolution, write_evolution
from .field_baselines import zero_field
from .field_evolution_baselines import evolve_differences, evolve_modes
from .field_evolution_report import write_report
from .field_evolution_settings import FieldEvolution
from .field_judge import FieldJudge
from .gaussian_search import write_search
from .timing import summary_over_seeds, timed


def run(settings: FieldEvolution, workspace: Workspace) -> dict[str, float]:
    """Solves with every seed, judges the solutions and the baselines, and writes the report."""
    with jax.enable_x64(True):
        experiment = _Experiment(settings, workspace)
        solved = [experiment.solve(index) for index in range(settings.seeds)]
        convergence = experiment.converge()
        baselines = experiment.solve_baselines()
        judged = experiment.judge(solved)
        given = {"judged": judged, "convergence": convergence, "baselines": baselines}
        return workspace.report(
            {name: stage.fingerprint for name, stage in given.items()},
            lambda: write_report(
                settings, workspace, **{name: stage.results for name, stage in given.items()}
            ),
        )


class _Experiment:
    def __init__(self, settings: FieldEvolution, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        problem = settings.problem.made()
        assert isinstance(problem, AbstractEvolution)
        self.problem = problem

    def solve(self, index: int) -> Stage:
        settings, seed = self.settings, self.settings.seed + index
        inputs = self._inputs(gaussians=settings.gaussians, seed=seed)

        def work() -> dict[str, Any]:
            evolution, seconds = timed(partial(self._evolved, settings.gaussians, seed))
            attributes: dict[str, str | int | float] = {
                "seed": seed,
                "configuration": json.dumps(inputs, sort_keys=True),
            }

            def write(path, each, found):
                write_evolution(path, self.problem, each.field, attributes | found)

            write(self._file(index), evolution, {})
            if index == 0:
                write_search(self.workspace, (*evolution.search, evolution), write)
            return {
                **seconds,
                "modes": evolution.modes,
                "exponent": evolution.exponent,
                "overlap": evolution.overlap,
            }

        title = f"evolving {settings.gaussians} Gaussians, seed {seed}"
        return self.workspace.stage(f"solve-{index}", title, inputs, work)

    def converge(self) -> Stage:
        counts = self.settings.convergence

        def work() -> dict[str, Any]:
            seed = self.settings.seed
            return self._each(counts, lambda n: self._scores(self._evolved(n, seed).field))

        inputs = self._inputs(counts=counts, test_shape=self.settings.test_shape)
        return self.workspace.stage("convergence", "evolving other numbers", inputs, work)

    def solve_baselines(self) -> Stage:
        settings = self.settings

        def by_modes(count: int) -> dict[str, float]:
            field = evolve_modes(self.problem, count, settings.saves, settings.tolerance)
            modes = float(field.weights.shape[1])
            shown = settings.problem.shown(field)
            return self._judge.scores(shown) | {"parameters": modes, "unknowns": modes}

        def by_differences(count: int) -> dict[str, float]:
            values, nodes = evolve_differences(
                self.problem, count, settings.saves, settings.tolerance, self._test_axes()
            )
            return self._judge.errors(values) | {"unknowns": float(nodes)}

        def work() -> dict[str, Any]:
            return {
                "modes": self._each(settings.modes, by_modes),
                "nodes": self._each(settings.nodes, by_differences),
            }

        inputs = self._inputs(
            modes=settings.modes, nodes=settings.nodes, test_shape=settings.test_shape
        )
        return self.workspace.stage("baselines", "modes and differences", inputs, work)

    def judge(self, solved: list[Stage]) -> Stage:
        settings = self.settings
        inputs = {
            "solved": [stage.fingerprint for stage in solved],
            "test_shape": settings.test_shape,
        }

        def work() -> dict[str, Any]:
            each = []
            for index, stage in enumerate(solved):
                field = read_evolution(self._file(index), self.problem)
                kept = {name: stage.results[name] for name in ("seconds", "cpu_seconds", "modes")}
                each.append(self._scores(field) | kept)
                if index == 0:
                    solution = self._judge.solution(settings.problem.shown(field))
                    write_netcdf(solution, self.workspace.path("solution.nc"))
            zero = self._judge.scores(zero_field(self._judge.problem)) | {"parameters": 0.0}
            return {"gaussians": summary_over_seeds(each), "zero": zero}

        return self.workspace.stage("judge", "judging on the test grid", inputs, work)

    def _scores(self, field: EvolvedField) -> dict[str, float]:
        # Those at one time: the weights change, the number of them does not.
        per_gaussian = 2 * (self.problem.dims - 1) + len(self.problem.fields)
        count = float(field.weights.shape[1] * per_gaussian)
        return self._judge.scores(self.settings.problem.shown(field)) | {"parameters": count}

    @cached_property
    def _judge(self) -> FieldJudge:
        problem = self.settings.problem.judged()
        return FieldJudge(problem, tuple(self.settings.test_shape), self.settings.seed)

    def _test_axes(self) -> list[np.ndarray]:
        """The axes of the test grid in the coordinates of the problem that is solved."""
        axes = grid_axes(self._judge.problem, self.settings.test_shape)
        if not isinstance(self.problem, Clustered):
            return axes
        return [axes[0], *self.problem.from_physical(axes[1:])]

    def _evolved(self, count: int, seed: int) -> GaussianEvolution:
        settings = self.settings
        return evolve_gaussians(
            self.problem,
            count,
            seed=seed,
            trial_count=min(settings.trial_gaussians, count),
            saves=settings.saves,
            tolerance=settings.tolerance,
        )

    def _each(
        self, counts: list[int], solve: Callable[[int], dict[str, float]]
    ) -> dict[str, dict[str, float]]:
        """The scores by number, of those that reach the end."""
        found = {}
        for count in counts:
            try:
                scores, seconds = timed(partial(solve, count))
            except BlowUpError as error:
                self.workspace.say(f"      with {count}: {error}")
                continue
            found[str(count)] = {"unknowns": float(count)} | scores | seconds
            assert all(np.isfinite(value) for value in found[str(count)].values())
        return found

    def _inputs(self, **others: Any) -> dict[str, Any]:
        settings = self.settings
        return {
            "problem": settings.problem.model_dump(),
            "seed": settings.seed,
            "trial_gaussians": settings.trial_gaussians,
            "saves": settings.saves,
            "tolerance": settings.tolerance,
            **others,
        }

    def _file(self, index: int):
        return self.workspace.path("gaussians.nc" if index == 0 else f"gaussians-{index}.nc")

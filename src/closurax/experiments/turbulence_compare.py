"""The experiment `turbulence-compare`: tuned physical closures and learned ones, in long runs."""

from collections.abc import Callable
from typing import Any

from closurax import datasets, surrogates
from closurax.physics import AbstractScheme
from closurax.physics.closures import DynamicLeith, DynamicSmagorinsky

from ..config import read_experiment
from ..workspace import Stage, Workspace
from . import turbulence_online, turbulence_reinforcement
from .closure_calibration import calibrated, with_constants
from .closure_judge import judge
from .closure_training import train_closure
from .closure_training_settings import Check, CoarseModel
from .file_identity import file_identity
from .offline_closure import linear_closure, offline_closure
from .simulation_cost import simulation_costs
from .turbulence_compare_report import write_report
from .turbulence_compare_settings import TUNED, Cell, TurbulenceCompare

_TRAININGS: dict[str, tuple[str, Callable, Callable]] = {
    "online": (
        "turbulence-online",
        turbulence_online.untrained,
        turbulence_online.trained,
    ),
    "ppo": (
        "turbulence-ppo",
        turbulence_reinforcement.untrained,
        turbulence_reinforcement.trained_by_ppo,
    ),
    "vracer": (
        "turbulence-vracer",
        turbulence_reinforcement.untrained,
        turbulence_reinforcement.trained_by_v_racer,
    ),
}


def run(settings: TurbulenceCompare, workspace: Workspace) -> dict[str, float]:
    """Calibrates, trains, runs everything, and writes metrics and the report."""
    comparison = _Comparison(settings, workspace)
    comparison.prepare()
    main = {name: comparison.judge(name) for name in comparison.closures}
    elsewhere = {
        _cell_name(cell): {name: comparison.judge(name, cell) for name in comparison.chosen()}
        for cell in settings.generalisation.cells
    }
    costs = comparison.cost()
    every = [
        costs,
        *main.values(),
        *(stage for cell in elsewhere.values() for stage in cell.values()),
    ]
    return workspace.report(
        {"stages": [stage.fingerprint for stage in every]},
        lambda: write_report(
            settings,
            workspace,
            fitted=comparison.fitted,
            costs=costs.results,
            main={name: stage.results for name, stage in main.items()},
            elsewhere={
                cell: {name: stage.results for name, stage in stages.items()}
                for cell, stages in elsewhere.items()
            },
        ),
    )


class _Comparison:
    """The stages of one run; `closures` maps the names of the rows to what was made how."""

    def __init__(self, settings: TurbulenceCompare, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self.closures: dict[str, AbstractScheme | None] = {"none": None}
        self.made_from: dict[str, Any] = {"none": "nothing"}
        self.fitted: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        for name in self.settings.physical:
            if name in TUNED:
                stage = self._calibrate(name)
                self._add(name, with_constants(name, stage.results["parameters"]), stage)
            else:
                dynamic = DynamicLeith() if name == "dynamic_leith" else DynamicSmagorinsky()
                self.closures[name], self.made_from[name] = dynamic, "no constants"
        for method in self.settings.offline.methods:
            stage = self._fit(method)
            path = self.workspace.path(f"closures/offline_{method}.eqx")
            self._add(f"offline_{method}", surrogates.load(path), stage)
        for learner, seed in self.settings.trained():
            stage, path = self._train(learner, seed)
            self._add(f"{learner}_{seed}", surrogates.load(path), stage)

    def chosen(self) -> list[str]:
        """The rows of the table of generalisation: of what is trained the first seed."""
        learned = [f"{method}_0" for method in self.settings.learned.methods]
        return ["none", *self.settings.physical, *learned]

    def judge(self, name: str, cell: Cell | None = None) -> Stage:
        settings, check, model_settings = self.settings, self.settings.check, self.settings.model
        where = f"run-{name}"
        if cell is not None:
            where += f"-{_cell_name(cell)}"
            model_settings, check = _elsewhere(settings, cell)
        inputs = {
            "closure": self.made_from[name],
            "model": model_settings.model_dump(),
            "check": check.model_dump(),
            "seed": settings.seed,
        }

        def work() -> dict[str, float]:
            return judge(
                self.closures[name],
                model_settings,
                check,
                seed=settings.seed,
                attrs={"closure": name, "configuration": settings.model_dump_json()},
                path=self.workspace.path(f"statistics/{where}.nc"),
            )

        place = f" in {_cell_name(cell).replace('_', ' ')}" if cell is not None else ""
        title = f"running {check.members} members{place}: {name.replace('_', ' ')}"
        return self.workspace.stage(where, title, inputs, work)

    def cost(self) -> Stage:
        model, members = self.settings.model, self.settings.check.members
        inputs = {"closures": self.made_from, "model": model.model_dump(), "members": members}
        return self.workspace.stage(
            "cost",
            "timing all closures in turn",
            inputs,
            lambda: simulation_costs(
                self.closures, model, members, datasets.turbulence_case(model.case)
            ),
        )

    def _add(self, name: str, closure: AbstractScheme, stage: Stage) -> None:
        self.closures[name], self.made_from[name] = closure, stage.fingerprint
        self.fitted[name] = stage.results

    def _calibrate(self, name: str) -> Stage:
        settings = self.settings
        inputs = {
            "calibration": settings.calibration.model_dump(),
            "model": settings.model.model_dump(),
            "target": settings.target.model_dump(),
            "files": [file_identity(settings.target.pairs)],
            "seed": settings.seed,
        }
        return self.workspace.stage(
            f"calibration-{name}",
            f"calibrating the constants: {name.replace('_', ' ')}",
            inputs,
            lambda: calibrated(
                name, settings.calibration, settings.model, settings.target, settings.seed
            ),
        )

    def _fit(self, method: str) -> Stage:
        settings = self.settings
        inputs = {
            "grid_points": settings.model.grid_points,
            "pairs": file_identity(settings.target.pairs),
            "seed": settings.seed,
        }
        fit = linear_closure if method == "linear" else offline_closure

        def work() -> dict[str, Any]:
            closure, results = fit(settings, self.workspace)
            path = self.workspace.path(f"closures/offline_{method}.eqx")
            surrogates.save(path, closure, inputs)
            return results

        return self.workspace.stage(f"offline-{method}", f"fitting offline: {method}", inputs, work)

    def _train(self, method: str, seed: int) -> tuple[Stage, Any]:
        experiment, untrained, train = _TRAININGS[method]
        overrides: dict[str, Any] = {
            "seed": seed,
            "model": self.settings.model.model_dump(),
            "target": self.settings.target.model_dump(),
        }
        if self.settings.learned.iterations:
            overrides["training.iterations"] = self.settings.learned.iterations
        settings: Any = read_experiment(experiment, overrides)
        folder = self.workspace.path(f"closures/{method}_{seed}")
        inner = Workspace(folder, resume=self.workspace.resume, stages=1)
        inputs = settings.model_dump(exclude={"check", "description", "expected_minutes"})

        def work() -> dict[str, Any]:
            stage = train_closure(settings, inner, start=untrained(settings), train=train)
            return stage.results

        title = f"training in the simulation: {method}, seed {seed}"
        stage = self.workspace.stage(
            f"training-{method}-{seed}",
            title,
            {"settings": inputs, "files": [file_identity(self.settings.target.pairs)]},
            work,
        )
        return stage, inner.path("closure.eqx")


def _cell_name(cell: Cell) -> str:
    return f"{cell.case}_{cell.grid_points}"


def _elsewhere(settings: TurbulenceCompare, cell: Cell) -> tuple[CoarseModel, Check]:
    generalisation = settings.generalisation
    model = settings.model.model_copy(
        update={
            "case": cell.case,
            "grid_points": cell.grid_points,
            "time_step": cell.time_step,
        }
    )
    check = settings.check.model_copy(
        update={
            "members": generalisation.members,
            "spin_up": generalisation.spin_up,
            "duration": cell.duration,
        }
    )
    return model, check

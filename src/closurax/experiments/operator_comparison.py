"""The experiments `darcy` and `helmholtz`: learned operators against a classical solver."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax import datasets, surrogates
from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics import Quantity
from closurax.surrogates import operators
from closurax.surrogates.training import relative_h1, relative_l2

from ..workspace import Stage, Workspace
from .file_identity import file_identity
from .operator_baselines import Prediction, classical_solver, mean_field, ridge_regression
from .operator_networks import Fields, predictions, train_operator
from .operator_report import write_report
from .operator_settings import OperatorComparison
from .shortest_seconds import shortest_seconds
from .training_folder import is_resumable

_GENERATORS: dict[str, Any] = {
    "darcy": datasets.generate_darcy,
    "helmholtz": datasets.generate_helmholtz,
}
_TIMED_SAMPLES, _TIMED_RUNS = 8, 5
_SHOWN = 3


def run(settings: OperatorComparison, workspace: Workspace) -> dict[str, float]:
    """Makes the data if needed, trains, judges on unseen samples, and writes the report."""
    experiment = _Experiment(settings, workspace)
    data = experiment.prepare_data()
    trained: dict[str, list[Stage]] = {
        name: [experiment.train(name, seed, data) for seed in range(settings.seeds)]
        for name in settings.compared
    }
    baselines = experiment.judge_baselines(data)
    judged = experiment.judge(data, trained)
    return workspace.report(
        {"judged": judged.fingerprint, "baselines": baselines.fingerprint},
        lambda: write_report(
            settings,
            workspace,
            scores={**baselines.results, **judged.results},
            trainings={name: [s.results for s in stages] for name, stages in trained.items()},
        ),
    )


class _Experiment:
    def __init__(self, settings: OperatorComparison, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self._read: dict[str, Fields] = {}

    def prepare_data(self) -> Stage:
        data = self.settings.data
        files = {name: getattr(data, name) for name in ("training", "test", "finer_test")}
        inputs = {
            "problem": self.settings.problem,
            "data": data.model_dump(),
            "files": {name: file_identity(path) for name, path in files.items()},
            "seed": self.settings.seed,
        }

        def work() -> dict[str, Any]:
            for part, path in files.items():
                if not path:
                    self._generate(part)
            return {part: len(self._fields(part).inputs) for part in files}

        return self.workspace.stage("data", "preparing the samples", inputs, work)

    def train(self, name: str, seed: int, data: Stage) -> Stage:
        settings = self.settings
        inputs = {
            "data": data.fingerprint,
            "training": settings.training.model_dump(),
            "seed": settings.seed + seed,
        }

        def work() -> dict[str, Any]:
            folder = self.workspace.path(f"training/{name}-{seed}")
            train, validation = self._parts()
            trained = train_operator(
                name, settings.data, settings.training, train, validation, self._quantities(),
                settings.seed + seed, folder,
                is_resumable(folder, inputs) and self.workspace.resume,
            )  # fmt: skip
            surrogates.save(self._file(name, seed), trained.surrogate, inputs)
            return {
                "parameters": float(trained.parameters),
                "validation_loss": trained.validation_loss,
                "seconds": trained.seconds,
            }

        title = f"training {name.replace('_', ' ')}, seed {settings.seed + seed}"
        return self.workspace.stage(f"train-{name}-{seed}", title, inputs, work)

    def judge_baselines(self, data: Stage) -> Stage:
        def work() -> dict[str, Any]:
            train, validation = self._parts()
            test = self._fields("test")
            found: dict[str, Prediction] = {
                "mean": mean_field(train, test),
                "ridge": ridge_regression(train, validation, test),
                "solver": classical_solver(self.settings.problem, test),
            }
            return {
                name: _scores(prediction.outputs, test.outputs)
                | {"milliseconds_per_sample": 1e3 * prediction.seconds}
                for name, prediction in found.items()
            }

        return self.workspace.stage(
            "baselines", "fitting and judging the baselines", {"data": data.fingerprint}, work
        )

    def judge(self, data: Stage, trained: dict[str, list[Stage]]) -> Stage:
        inputs = {
            "data": data.fingerprint,
            "trained": [stage.fingerprint for stages in trained.values() for stage in stages],
        }

        def work() -> dict[str, Any]:
            test, finer = self._fields("test"), self._fields("finer_test")
            found: dict[str, Any] = {}
            shown = {}
            for name in trained:
                each = []
                for seed in range(self.settings.seeds):
                    surrogate = surrogates.load(self._file(name, seed))
                    assert isinstance(surrogate, operators.FieldSurrogate)
                    predicted = predictions(surrogate, test.inputs)
                    scores = _scores(predicted, test.outputs)
                    scores |= self._on_finer_grid(surrogate, finer)
                    if self.settings.data.symmetric:
                        symmetrised = operators.SymmetrisedOperator(surrogate)
                        averaged = _scores(predictions(symmetrised, test.inputs), test.outputs)
                        scores |= {f"symmetrised_{key}": averaged[key] for key in ("l2", "h1")}
                    scores["milliseconds_per_sample"] = _milliseconds(surrogate, test.inputs)
                    each.append(scores)
                    if seed == 0:
                        shown[name] = predicted[:_SHOWN, 0]
                found[name] = _summary(each)
            self._write_shown(test, shown)
            return found

        return self.workspace.stage("judge", "judging on unseen samples", inputs, work)

    def _on_finer_grid(
        self, surrogate: operators.FieldSurrogate, finer: Fields
    ) -> dict[str, float]:
        data, found = self.settings.data, {}
        if data.layout == "cells":
            resampled = surrogate.resampled(
                self._fields("test").inputs.shape[2:], data.boundary, "sub-grids"
            )
            predicted = predictions(resampled, finer.inputs)
            found["finer_resampled_l2"] = _scores(predicted, finer.outputs)["l2"]
        if not isinstance(surrogate.operator, operators.DeepONet):
            predicted = predictions(surrogate, finer.inputs)
            found["finer_l2"] = _scores(predicted, finer.outputs)["l2"]
        return found

    def _generate(self, part: str) -> None:
        data = self.settings.data
        samples = data.training_samples if part == "training" else data.test_samples
        finer = 2 if part == "finer_test" else 1
        points = data.grid_points
        size = points * finer if data.layout == "cells" else (points - 1) * finer + 1
        _GENERATORS[self.settings.problem](
            self.workspace.path(f"data/{part}.nc"),
            samples=samples,
            seed=2 * self.settings.seed + (part != "training"),
            shape=(size, size),
            refinement=data.refinement if finer == 1 else data.finer_refinement,
            workers=data.workers,
            resume=self.workspace.resume,
        )

    def _fields(self, part: str) -> Fields:
        """A part of the data, read and checked when it is first asked for."""
        if part not in self._read:
            self._read[part] = self._opened(part)
        return self._read[part]

    def _opened(self, part: str) -> Fields:
        data = self.settings.data
        path = getattr(data, part) or self.workspace.path(f"data/{part}.nc")
        count = data.training_samples if part == "training" else data.test_samples
        with datasets.open_fields(path, data.inputs, data.outputs) as opened:
            chosen = opened.isel(sample=slice(count))
            return Fields(_stacked(chosen, data.inputs), _stacked(chosen, data.outputs))

    def _quantities(self) -> tuple[list[Quantity], list[Quantity]]:
        data = self.settings.data
        path = data.training or self.workspace.path("data/training.nc")
        with datasets.open_fields(path, data.inputs, data.outputs, check_values=False) as opened:
            units = {name: str(opened[name].attrs["units"]) for name in opened.data_vars}
        return (
            [Quantity(name, units[name]) for name in data.inputs],
            [Quantity(name, units[name]) for name in data.outputs],
        )

    def _parts(self) -> tuple[Fields, Fields]:
        fields, count = self._fields("training"), self.settings.data.validation_samples
        return fields.select(slice(-count)), fields.select(slice(-count, None))

    def _write_shown(self, test: Fields, shown: dict[str, np.ndarray]) -> None:
        data = self.settings.data
        variables = {
            "input": test.inputs[:_SHOWN, 0],
            "truth": test.outputs[:_SHOWN, 0],
            **shown,
        }
        dataset = xr.Dataset(
            {name: (("sample", "x", "y"), field) for name, field in variables.items()},
            attrs={"input": data.inputs[0], "output": data.outputs[0]},
        )
        write_netcdf(dataset, self.workspace.path("predictions.nc"))

    def _file(self, name: str, seed: int):
        return self.workspace.path(f"operators/{name}-{seed}.eqx")


def _stacked(dataset: xr.Dataset, names: list[str]) -> np.ndarray:
    return np.stack([dataset[name].values.astype(np.float32) for name in names], axis=1)


def _scores(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    pairs = jnp.asarray(np.ascontiguousarray(predicted), jnp.float32), jnp.asarray(truth)
    l2, h1 = (np.asarray(jax.vmap(norm)(*pairs)) for norm in (relative_l2, relative_h1))
    return {"l2": float(l2.mean()), "h1": float(h1.mean()), "worst_l2": float(l2.max())}


def _summary(each: list[dict[str, float]]) -> dict[str, float]:
    """The mean over the seeds, and for more than one seed also the extremes."""
    summary = {}
    for key in each[0]:
        values = [scores[key] for scores in each]
        summary[key] = float(np.mean(values))
        if len(values) > 1 and key.removeprefix("symmetrised_") in ("l2", "h1"):
            summary |= {f"{key}_lowest": min(values), f"{key}_highest": max(values)}
    return summary


def _milliseconds(surrogate: operators.FieldSurrogate, inputs: np.ndarray) -> float:
    """The shortest of some timings of a batch, on all cores."""
    batch = inputs[:_TIMED_SAMPLES]
    return 1e3 * shortest_seconds(lambda: predictions(surrogate, batch), _TIMED_RUNS) / len(batch)

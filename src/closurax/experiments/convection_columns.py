"""The experiment `convection-columns`: learned convection outside of any simulation."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from closurax import surrogates
from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics.column import AbstractConvection
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch
from closurax.surrogates.columns import convection_scores

from ..workspace import Stage, Workspace
from .column_data import ColumnParts, Columns
from .column_networks import fit_baseline, train_network
from .convection_columns_report import write_report
from .convection_columns_settings import ConvectionColumns
from .file_identity import file_identity
from .shortest_seconds import shortest_seconds
from .training_folder import is_resumable

_TIMED_COLUMNS, _TIMED_RUNS = 1000, 5
PHYSICAL = "kain_fritsch"


def run(settings: ConvectionColumns, workspace: Workspace) -> dict[str, float]:
    """Draws the columns, trains, scores, and writes metrics and the report."""
    experiment = _Experiment(settings, workspace)
    data = experiment.prepare_data()
    trained = {name: experiment.train(name, data) for name in settings.compared}
    stages = list(trained.values())
    if settings.baselines:
        stages.append(experiment.fit_baselines(data))
    scores = experiment.score(data, stages)
    return workspace.report(
        {"scores": scores.fingerprint},
        lambda: write_report(
            settings,
            workspace,
            scores=scores.results,
            trainings={name: stage.results for name, stage in trained.items()},
            data=data.results,
        ),
    )


class _Experiment:
    def __init__(self, settings: ConvectionColumns, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self.parts = ColumnParts(settings.data, settings.seed)

    def prepare_data(self) -> Stage:
        inputs = {
            "data": self.settings.data.model_dump(),
            "file": file_identity(self.settings.data.columns),
            "seed": self.settings.seed,
        }

        def work() -> dict[str, Any]:
            parts = self.parts
            named = {"training": parts.training, "validation": parts.validation, "test": parts.test}
            counts: dict[str, Any] = {name: part.size for name, part in named.items()}
            counts["test_left_out"] = int(parts.is_left_out(parts.test).sum())
            kinds = parts.test.targets["convection_class"]
            counts["test_classes"] = [float(np.mean(kinds == kind)) for kind in range(3)]
            return counts

        return self.workspace.stage("data", "drawing and labelling the columns", inputs, work)

    def train(self, name: Any, data: Stage) -> Stage:
        network = self.settings.networks[name]
        inputs = {
            "data": data.fingerprint,
            "network": network.model_dump(),
            "seed": self.settings.seed,
        }

        def work() -> dict[str, Any]:
            folder = self.workspace.path(f"training/{name}")
            trained = train_network(
                name,
                network,
                self.parts.training,
                self.parts.validation,
                self.settings.seed,
                folder,
                is_resumable(folder, inputs) and self.workspace.resume,
            )
            surrogates.save(scheme_file(self.workspace, name), trained.scheme, inputs)
            return {
                "parameters": float(trained.parameters),
                "epochs": float(trained.epochs),
                "validation_loss": trained.validation_loss,
                "seconds": trained.seconds,
            }

        return self.workspace.stage(f"train-{name}", f"training {label(name)}", inputs, work)

    def fit_baselines(self, data: Stage) -> Stage:
        inputs = {"data": data.fingerprint, "baselines": list(self.settings.baselines)}

        def work() -> dict[str, Any]:
            for name in self.settings.baselines:
                baseline = fit_baseline(name, self.parts.training)
                surrogates.save(scheme_file(self.workspace, name), baseline, inputs)
            return {}

        return self.workspace.stage("baselines", "fitting the baselines", inputs, work)

    def score(self, data: Stage, stages: list[Stage]) -> Stage:
        inputs = {"data": data.fingerprint, "schemes": [stage.fingerprint for stage in stages]}

        def work() -> dict[str, Any]:
            test = self.parts.test
            left_out = self.parts.is_left_out(test)
            found: dict[str, Any] = {}
            names = [*self.settings.compared, *self.settings.baselines, PHYSICAL]
            for name in names:
                scheme = self._scheme(name)
                scores = convection_scores(scheme, *test)
                write_netcdf(scores, self.workspace.path(f"scores/{name}.nc"))
                found[name] = _numbers(scores)
                if left_out.any() and not left_out.all():
                    for key, chosen in (("seen", ~left_out), ("left_out", left_out)):
                        part = convection_scores(scheme, *test.select(np.flatnonzero(chosen)))
                        found[name] |= {f"{key}.{k}": v for k, v in _numbers(part).items()}
                found[name]["microseconds_per_column"] = _microseconds(scheme, test)
            return found

        return self.workspace.stage("scores", "scoring on unseen soundings", inputs, work)

    def _scheme(self, name: str) -> AbstractConvection:
        if name == PHYSICAL:
            return MultiScaleKainFritsch()
        scheme = surrogates.load(scheme_file(self.workspace, name))
        assert isinstance(scheme, AbstractConvection)
        return scheme


def scheme_file(workspace: Workspace, name: str) -> Path:
    return workspace.path(f"schemes/{name}.eqx")


def label(name: str) -> str:
    """How a scheme is called in sentences."""
    return {
        "dense": "the dense network",
        "bilstm": "the Bi-LSTM",
        "s4d": "S4D",
        "convolution": "the convolution",
        "level_mixing": "level mixing",
        "bilstm_plain": "the Bi-LSTM without parcels",
        "class_mean": "the mean of the class",
        "linear": "linear regression",
        "nearest": "nearest neighbours",
        PHYSICAL: "Kain-Fritsch",
    }[name]


def _numbers(scores: Any) -> dict[str, float]:
    values = {str(name): float(scores[name]) for name in scores if scores[name].ndim == 0}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _microseconds(scheme: AbstractConvection, columns: Columns) -> float:
    """The shortest of some timings of a batch, jitted, on all cores."""
    count = min(_TIMED_COLUMNS, columns.size)
    batch = {name: jnp.asarray(values[:count]) for name, values in columns.inputs.items()}
    called = eqx.filter_jit(lambda inputs: jax.vmap(scheme.tendencies)(inputs))
    return 1e6 * shortest_seconds(lambda: called(batch), _TIMED_RUNS) / count

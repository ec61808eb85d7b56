"""The experiment `convection`: convection schemes side by side in a running column."""

import time
from typing import Any

import jax
import numpy as np
import xarray as xr

from closurax import datasets, surrogates
from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics import AbstractScheme
from closurax.physics.column import (
    AbstractConvection,
    AtmosphericColumn,
    PersistentConvection,
)
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch
from closurax.physics.coupling import GuardedConvection
from closurax.physics.errors import ExperimentError
from closurax.surrogates.columns import ConvectionNetwork, EnvelopeScore

from ..workspace import Stage, Workspace
from .column_data import ColumnParts
from .column_networks import train_network
from .convection_report import open_run, reference_run, write_report
from .convection_settings import Convection
from .file_identity import file_identity
from .online_tuning import reference_states, tune

_DAY = 86400.0
_LEARNED = "learned"
_NO_RELAXATION = 1e12


def run(settings: Convection, workspace: Workspace) -> dict[str, float]:
    """Trains if needed, runs every scheme, and writes metrics and the report."""
    experiment = _Experiment(settings, workspace)
    learned = experiment.learn()
    runs = {name: experiment.simulate(name, learned) for name in experiment.names}
    stages = [learned, *runs.values(), experiment.ensemble(learned)]
    if settings.free_run.days:
        stages.append(experiment.free_run(learned))
    if settings.tuning.epochs:
        stages.append(experiment.tune(learned))
    return workspace.report(
        {"stages": [stage.fingerprint for stage in stages]},
        lambda: write_report(
            settings,
            workspace,
            names=experiment.names,
            learned=experiment.learned_names,
            case=experiment.case,
            costs={name: stage.results["seconds"] for name, stage in runs.items()},
        ),
        "comparing the runs and writing the report",
    )


class _Experiment:
    def __init__(self, settings: Convection, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self.case = _case(settings)
        self.parts = ColumnParts(settings.data, settings.seed)

    @property
    def learned_names(self) -> list[str]:
        return list(self.settings.surrogate.files) or [_LEARNED]

    @property
    def names(self) -> list[str]:
        return ["none", "kain_fritsch", *self.learned_names, f"{self.first}_guarded"]

    @property
    def first(self) -> str:
        """The learned scheme that is guarded, perturbed, left running and tuned."""
        return self.learned_names[0]

    @property
    def steps(self) -> int:
        """Of the runs: as many saves as the case covers."""
        save = self.settings.case.save_every
        covered = float(self.case["time"][-1])
        duration = min(self.settings.case.days * _DAY, covered)
        count = int(duration / save + 1e-9)
        if count < 1:
            raise ExperimentError(
                f"The case covers {covered:g} s, less than case.save_every = {save:g} s."
            )
        return count

    def learn(self) -> Stage:
        settings = self.settings
        files = settings.surrogate.files
        inputs = {
            "files": {name: file_identity(path) for name, path in files.items()},
            "data": settings.data.model_dump(),
            "columns": file_identity(settings.data.columns),
            "network": settings.network.model_dump(),
            "guard": settings.guard.model_dump(),
            "seed": settings.seed,
        }

        def work() -> dict[str, Any]:
            schemes: dict[str, Any] = {name: surrogates.load(path) for name, path in files.items()}
            if not files:
                trained = train_network(
                    "dense",
                    settings.network,
                    self.parts.training,
                    self.parts.validation,
                    settings.seed,
                    self.workspace.path("training"),
                    False,
                )
                schemes = {_LEARNED: trained.scheme}
            for name, scheme in schemes.items():
                _check(name, scheme, self.case)
                surrogates.save(self._file(name), scheme, inputs)
            guarded = self._guarded(schemes[self.first])
            surrogates.save(self._file(f"{self.first}_guarded"), guarded, inputs)
            return {}

        title = "reading the learned schemes" if files else "training a network on columns"
        return self.workspace.stage("learn", title, inputs, work)

    def simulate(self, name: str, learned: Stage) -> Stage:
        def work() -> dict[str, float]:
            model = self._model(name, self.case)
            start = time.perf_counter()
            result = self._run(model, model.case_state(self.case))
            seconds = time.perf_counter() - start
            self._write(result, name)
            return {"seconds": seconds}

        inputs = self._inputs(learned) | {"scheme": name}
        return self.workspace.stage(
            f"run-{name}", f"running {name.replace('_', ' ')}", inputs, work
        )

    def ensemble(self, learned: Stage) -> Stage:
        ensemble = self.settings.ensemble

        def work() -> dict[str, Any]:
            suffix = "_guarded" if ensemble.guarded else ""
            for name in ("kain_fritsch", f"{self.first}{suffix}"):
                model = self._model(name, self.case)
                result = self._run(model, self._perturbed(model), throw=False)
                self._write(result, f"ensemble_{name}")
            return {}

        inputs = self._inputs(learned) | {"ensemble": ensemble.model_dump()}
        title = f"running {ensemble.members} perturbed members"
        return self.workspace.stage("ensemble", title, inputs, work)

    def free_run(self, learned: Stage) -> Stage:
        days = self.settings.free_run.days

        def work() -> dict[str, Any]:
            case = _without_relaxation(_repeated(self.case, days * _DAY))
            for name in ("kain_fritsch", self.first):
                model = self._model(name, case)
                save = self.settings.case.save_every
                count = int(days * _DAY / save + 1e-9)
                result = self._run(model, model.case_state(case), count=count, throw=False)
                self._write(result, f"free_{name}")
            return {}

        inputs = self._inputs(learned) | {"days": days}
        title = f"running {days:g} days without relaxation"
        return self.workspace.stage("free-run", title, inputs, work)

    def tune(self, learned: Stage) -> Stage:
        settings, name = self.settings.tuning, self.first

        def work() -> dict[str, Any]:
            run = open_run(self.workspace, "kain_fritsch")
            model = self._model("none", self.case)
            reference = reference_states(model, reference_run(self.case, run), run)
            scheme = surrogates.load(self._file(name))
            assert isinstance(scheme, ConvectionNetwork)
            tuned = tune(
                scheme, model, reference, settings, self.settings.case.time_step,
                self.settings.seed, self.workspace.path("tuning"),
            )  # fmt: skip
            surrogates.save(self._file("tuned"), tuned, settings.model_dump())
            first = int((reference.time.size - 1) * settings.fraction)
            count = reference.time.size - 1 - first
            for each in ("kain_fritsch", name, "tuned"):
                result = self._run(
                    self._model(each, self.case), reference.at(first), count=count, throw=False,
                    start=float(reference.time[first]),
                )  # fmt: skip
                self._write(result, f"held_out_{each}")
            return {}

        inputs = self._inputs(learned) | {"tuning": settings.model_dump()}
        return self.workspace.stage("tuning", f"tuning {name} inside the column", inputs, work)

    def _inputs(self, learned: Stage) -> dict[str, Any]:
        case = self.settings.case
        return {
            "learned": learned.fingerprint,
            "case": case.model_dump(),
            "file": file_identity(case.file),
            "seed": self.settings.seed,
        }

    def _model(self, name: str, case: xr.Dataset) -> AtmosphericColumn:
        scheme: AbstractScheme | None = None
        if name == "kain_fritsch":
            scheme = PersistentConvection(MultiScaleKainFritsch())
        elif name != "none":
            loaded = surrogates.load(self._file(name))
            assert isinstance(loaded, AbstractConvection)
            scheme = PersistentConvection(loaded)
        return AtmosphericColumn.from_case(case).replace(convection=scheme)

    def _run(
        self,
        model: AtmosphericColumn,
        state: Any,
        count: int | None = None,
        throw: bool = True,
        start: float = 0.0,
    ) -> xr.Dataset:
        save = self.settings.case.save_every
        duration = (self.steps if count is None else count) * save
        return model.run(
            state, duration, save_every=save, dt=self.settings.case.time_step, throw=throw,
            start=start,
            attrs={"seed": self.settings.seed, "configuration": self.settings.model_dump_json()},
        )  # fmt: skip

    def _perturbed(self, model: AtmosphericColumn) -> Any:
        """The initial state with smooth random profiles added, a different one each member."""
        ensemble, state = self.settings.ensemble, model.case_state(self.case)
        key = jax.random.key(self.settings.seed)
        shape = (ensemble.members, model.levels.count)
        noise = np.asarray(jax.random.normal(key, (2, *shape)), state.temperature.dtype)
        kernel = np.ones(5) / 5**0.5
        smooth = np.apply_along_axis(lambda row: np.convolve(row, kernel, "same"), -1, noise)
        smooth = smooth.astype(noise.dtype)
        members = jax.tree_util.tree_map(
            lambda leaf: np.broadcast_to(leaf, (ensemble.members, *leaf.shape)), state
        )
        return members._replace(
            temperature=members.temperature + ensemble.temperature_spread * smooth[0],
            vapour=members.vapour * np.clip(1 + ensemble.humidity_spread * smooth[1], 0.5, 1.5),
        )

    def _guarded(self, scheme: ConvectionNetwork) -> GuardedConvection:
        guard = self.settings.guard
        columns = self.parts.envelope(guard.envelope_columns)
        envelope = EnvelopeScore.fit(scheme.features, columns)
        return GuardedConvection(
            scheme, MultiScaleKainFritsch(), envelope, guard.threshold, guard.heating_limit
        )

    def _file(self, name: str):
        return self.workspace.path(f"schemes/{name}.eqx")

    def _write(self, result: xr.Dataset, name: str) -> None:
        write_netcdf(result, self.workspace.path(f"runs/{name}.nc"))


def _case(settings: Convection) -> xr.Dataset:
    if settings.case.file:
        return datasets.open_column_case(settings.case.file)
    return datasets.forced_sounding_case(
        datasets.weisman_klemp(),
        days=settings.case.days,
        time_step=settings.case.time_step,
        seed=settings.seed,
    )


def _repeated(case: xr.Dataset, duration: float) -> xr.Dataset:
    """The case with its forcing repeated for as long as `duration` in s."""
    time = case["time"].values
    step = time[1] - time[0]
    period = time[-1] - time[0] + step
    copies = max(1, int(np.ceil((duration + step) / period)))
    repeated = xr.concat([case] * copies, dim="time", data_vars="minimal")
    return repeated.assign_coords(time=("time", np.arange(repeated.sizes["time"]) * step))


def _without_relaxation(case: xr.Dataset) -> xr.Dataset:
    names = ("temperature_relaxation_time", "vapour_relaxation_time")
    present = [name for name in names if name in case]
    return case.assign({name: xr.full_like(case[name], _NO_RELAXATION) for name in present})


def _check(name: str, scheme: Any, case: xr.Dataset) -> None:
    if not isinstance(scheme, ConvectionNetwork):
        raise ExperimentError(
            f"surrogate.files.{name} holds a {type(scheme).__name__}, not a network for "
            "convection; train one with `closurax run convection-columns`."
        )
    levels = case.sizes["level"]
    if scheme.features.levels != levels:
        raise ExperimentError(
            f"surrogate.files.{name} was trained on {scheme.features.levels} levels, but the case "
            f"has {levels}; train on columns with the levels of the case, or interpolate the case."
        )

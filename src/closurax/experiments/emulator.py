"""The experiment `navier-stokes-emulator`: learned operators that step an equation forward."""

from typing import Any

import jax
import numpy as np
import xarray as xr

from closurax import surrogates
from closurax.datasets import generate_trajectories, open_trajectories
from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics import pdes
from closurax.surrogates import operators

from ..workspace import Stage, Workspace
from .emulator_forecasts import (
    Forecast,
    climatology,
    coarse_solver,
    emulator_run,
    persistence,
    solver_seconds,
)
from .emulator_networks import new_emulator, train_emulator
from .emulator_report import write_report
from .emulator_scores import LONGER, emulator_scores, summary
from .emulator_settings import EmulatorComparison
from .generate_trajectories import equation_model
from .parameter_count import parameter_count
from .training_folder import is_resumable


def run(settings: EmulatorComparison, workspace: Workspace) -> dict[str, float]:
    """Makes the trajectories, trains, judges on unseen ones, and writes the report."""
    experiment = _Experiment(settings, workspace)
    data = experiment.make_trajectories()
    trained: dict[str, list[Stage]] = {}
    for name in settings.compared:
        trained[name] = [experiment.train(name, data)]
        if settings.unrolls:
            trained[name].append(experiment.unroll(name, trained[name][0]))
    judged = experiment.judge(data, trained)
    return workspace.report(
        {"judged": judged.fingerprint},
        lambda: write_report(
            settings,
            workspace,
            scores=judged.results,
            trainings={name: [s.results for s in stages] for name, stages in trained.items()},
        ),
    )


class _Experiment:
    def __init__(self, settings: EmulatorComparison, workspace: Workspace):
        self.settings, self.workspace = settings, workspace

    def make_trajectories(self) -> Stage:
        settings, data = self.settings, self.settings.data
        equation = settings.chosen
        inputs = {
            "equation": settings.equation,
            "settings": equation.model_dump(),
            "data": data.model_dump(),
            "seed": settings.seed,
        }

        def work() -> dict[str, Any]:
            field = pdes.PeriodicRandomField(equation.alpha, equation.tau, equation.sigma)
            # Validation is the end of the file for training: other trajectories, too.
            learned = data.training_trajectories + data.validation_trajectories
            for part, samples, duration, seed in (
                ("training", learned, equation.duration, 2 * settings.seed),
                ("test", data.test_trajectories, LONGER * equation.duration, 2 * settings.seed + 1),
            ):
                generate_trajectories(
                    self.workspace.path(f"data/{part}.nc"),
                    equation_model(equation),
                    pdes.RandomInitialState(field),
                    samples=samples,
                    duration=duration,
                    save_every=equation.save_every,
                    dt=equation.time_step,
                    seed=seed,
                    spin_up=equation.spin_up,
                    every_point=equation.every_point,
                    chunk=data.chunk,
                    title=f"trajectories of the equation {settings.equation!r}, for {part}",
                    resume=self.workspace.resume,
                )
            return {"trajectories": learned + data.test_trajectories}

        return self.workspace.stage("data", "computing the trajectories", inputs, work)

    def train(self, name: str, data: Stage) -> Stage:
        settings = self.settings
        one_step = settings.training.model_dump(
            include={"passes", "learning_rate", "batch_size", "weight_decay"}
        )
        inputs = {
            "data": data.fingerprint,
            "operator": getattr(settings, name).model_dump(),
            "training": one_step,
            "seed": settings.seed,
        }

        def work() -> dict[str, Any]:
            trajectories = self._parts()
            (train,) = trajectories[0].values()
            new = new_emulator(name, settings, train, jax.random.key(settings.seed))
            return self._fit(name, new, trajectories, inputs, unrolled=False)

        title = f"training {name}, one step at a time"
        return self.workspace.stage(f"train-{name}", title, inputs, work)

    def unroll(self, name: str, trained: Stage) -> Stage:
        training = self.settings.training
        inputs = {"trained": trained.fingerprint, "training": training.model_dump()}

        def work() -> dict[str, Any]:
            emulator = self._load(name, unrolled=False)
            return self._fit(name, emulator, self._parts(), inputs, unrolled=True)

        title = f"training {name} through {training.unrolled_steps} steps"
        return self.workspace.stage(f"unroll-{name}", title, inputs, work)

    def judge(self, data: Stage, trained: dict[str, list[Stage]]) -> Stage:
        settings = self.settings
        inputs = {
            "data": data.fingerprint,
            "trained": [stage.fingerprint for stages in trained.values() for stage in stages],
            "rollouts": settings.rollouts.model_dump(),
        }

        def work() -> dict[str, Any]:
            with open_trajectories(self.workspace.path("data/test.nc")) as test:
                (truth,) = test.load().values()
            train, _ = self._parts()
            start, steps = truth.values[:, 0], LONGER * settings.steps
            forecasts: dict[str, Forecast] = {
                name: emulator_run(self._load(name, settings.unrolls), start, steps)
                for name in trained
            }
            if settings.unrolls:
                forecasts |= {
                    f"{name}_one_step": emulator_run(self._load(name, False), start, steps)
                    for name in trained
                }
            forecasts["coarse_solver"] = coarse_solver(settings, start, steps)
            forecasts["persistence"] = persistence(start, steps)
            forecasts["climatology"] = climatology(train[str(truth.name)].values, start, steps)
            fields = {"truth": truth.values} | {
                name: forecast.fields for name, forecast in forecasts.items()
            }
            scores = emulator_scores(fields, truth["time"].values, settings)
            write_netcdf(scores, self.workspace.path("scores.nc"))
            self._write_rollouts(truth, fields)
            found = {"solver": {"milliseconds_per_step": 1e3 * solver_seconds(settings, start)}}
            for name, forecast in forecasts.items():
                chosen = scores.sel(run=name)
                chosen["true_spectrum"] = scores["spectrum"].sel(run="truth", drop=True)
                found[name] = summary(chosen, settings)
                found[name]["milliseconds_per_step"] = 1e3 * forecast.seconds
            return found

        return self.workspace.stage("judge", "judging in free runs", inputs, work)

    def _fit(
        self,
        name: str,
        emulator: operators.FieldSurrogate,
        trajectories: tuple[xr.Dataset, xr.Dataset],
        inputs: dict[str, Any],
        *,
        unrolled: bool,
    ) -> dict[str, Any]:
        folder = self.workspace.path(f"training/{self._called(name, unrolled)}")
        trained = train_emulator(
            emulator,
            self.settings,
            trajectories,
            unrolled=unrolled,
            seed=self.settings.seed,
            out=folder,
            resume=is_resumable(folder, inputs) and self.workspace.resume,
        )
        surrogates.save(self._file(name, unrolled), trained.surrogate, inputs)
        return {
            "parameters": float(parameter_count(trained.surrogate)),
            "validation_loss": trained.validation_loss,
            "seconds": trained.seconds,
        }

    def _parts(self) -> tuple[xr.Dataset, xr.Dataset]:
        with open_trajectories(self.workspace.path("data/training.nc")) as opened:
            loaded, count = opened.load(), self.settings.data.training_trajectories
        return loaded.isel(sample=slice(count)), loaded.isel(sample=slice(count, None))

    def _load(self, name: str, unrolled: bool) -> operators.FieldSurrogate:
        surrogate = surrogates.load(self._file(name, unrolled))
        assert isinstance(surrogate, operators.FieldSurrogate)
        return surrogate

    def _file(self, name: str, unrolled: bool):
        return self.workspace.path(f"operators/{self._called(name, unrolled)}.eqx")

    def _called(self, name: str, unrolled: bool) -> str:
        return f"{name}-unrolled" if unrolled else f"{name}-one-step"

    def _write_rollouts(self, truth: xr.DataArray, fields: dict[str, np.ndarray]) -> None:
        shown = slice(self.settings.steps + 1)
        dataset = xr.Dataset(
            {
                name: (truth.dims, values[:, shown], {"units": truth.attrs["units"]})
                for name, values in fields.items()
            },
            {name: truth[name] for name in ("x", "y") if name in truth.coords}
            | {"time": truth["time"][shown]},
            {"variable": str(truth.name), "equation": self.settings.equation},
        )
        encoding = {name: {"zlib": True, "complevel": 4} for name in fields}
        write_netcdf(dataset, self.workspace.path("rollouts.nc"), encoding)

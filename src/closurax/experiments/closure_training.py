"""What the experiments that train a closure in the simulation have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

import xarray as xr

from closurax import surrogates
from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics import AbstractScheme

from ..workspace import Stage, Workspace
from .closure_judge import judge
from .closure_training_report import write_report
from .closure_training_settings import ClosureTraining
from .file_identity import file_identity
from .parameter_count import parameter_count


class Trained(NamedTuple):
    """A closure and the history of its training, over `iteration`."""

    closure: AbstractScheme
    history: xr.Dataset


Train = Callable[[Any, Any, Workspace], Trained]


def run_training(
    settings: ClosureTraining, workspace: Workspace, *, start: AbstractScheme, train: Train
) -> dict[str, float]:
    """Trains a closure and judges it in free runs, next to where it started and to no closure."""
    training = train_closure(settings, workspace, start=start, train=train)
    runs = {
        "none": _judge(settings, workspace, "none", None, "none"),
        "start": _judge(settings, workspace, "start", start, training.fingerprint),
        "trained": _judge(
            settings, workspace, "trained", surrogates.load(workspace.path("closure.eqx")),
            training.fingerprint,
        ),
    }  # fmt: skip
    return workspace.report(
        {"stages": [training.fingerprint, *(run.fingerprint for run in runs.values())]},
        lambda: write_report(
            settings,
            workspace,
            training=training.results,
            by_closure={name: run.results for name, run in runs.items()},
        ),
    )


def train_closure(
    settings: ClosureTraining, workspace: Workspace, *, start: AbstractScheme, train: Train
) -> Stage:
    """The stage that leaves `closure.eqx` and `history.nc` in the workspace."""
    what = settings.model_dump(exclude={"check", "description", "expected_minutes"})
    inputs = {"settings": what, "files": [file_identity(settings.target.pairs)]}

    def work() -> dict[str, Any]:
        found = train(settings, start, workspace)
        surrogates.save(workspace.path("closure.eqx"), found.closure, what)
        write_netcdf(found.history, workspace.path("history.nc"))
        time = "time" if "time" in found.history else "learning_time"
        return {
            "parameters": parameter_count(found.closure),
            "iterations": found.history.sizes["iteration"],
            "seconds": float(found.history[time][-1]),
        }

    title = f"training in the simulation, from {settings.target.snapshots} snapshots"
    return workspace.stage("training", title, inputs, work)


def _judge(
    settings: ClosureTraining,
    workspace: Workspace,
    name: str,
    closure: AbstractScheme | None,
    made_from: str,
) -> Stage:
    inputs = {
        "closure": made_from,
        "model": settings.model.model_dump(),
        "check": settings.check.model_dump(),
        "seed": settings.seed,
    }

    def work() -> dict[str, float]:
        return judge(
            closure,
            settings.model,
            settings.check,
            seed=settings.seed,
            attrs={"closure": name, "configuration": settings.model_dump_json()},
            path=workspace.path(f"statistics/{name}.nc"),
        )

    members = settings.check.members
    return workspace.stage(f"run-{name}", f"running {members} members: {name}", inputs, work)

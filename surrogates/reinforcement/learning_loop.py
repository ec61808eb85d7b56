"""What learners have in common: iterations, history, checkpoints, and when to stop."""

import json
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, PyTree
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError

# As a module: the list of classes that it knows holds the policy, which is in this package.
from .. import surrogate_file
from ..training.copied import copied
from ..training.history import history_dataset, write_history
from ..training.identity import arrays_digest, structure
from ..training.state_checkpoint import read_checkpoint, write_checkpoint
from .environment import AbstractEnvironment
from .gaussian_policy import GaussianPolicy
from .state_value import StateValue

Callback = Callable[[int, GaussianPolicy, dict[str, float]], bool | None]

_COLUMNS = {
    "return_mean": ("1", "mean return of the episodes that ended, without discount"),
    "return_min": ("1", "lowest return of the episodes that ended"),
    "return_max": ("1", "highest return of the episodes that ended"),
    "episode_length": ("1", "mean number of steps of the episodes that ended"),
    "terminated_fraction": ("1", "fraction of the ended episodes that ended by failure"),
}
_LEARNING_TIME = ("s", "time spent learning until the end of the iteration, resumed runs included")


@runtime_checkable
class LearnerState(Protocol):
    """All that the next iteration depends on: a pytree of arrays."""

    @property
    def policy(self) -> GaussianPolicy: ...

    @property
    def critic(self) -> StateValue: ...


def learn(
    iterate: Callable[[Any, bool], tuple[Any, dict[str, Array]]],
    state: PyTree,
    *,
    warm_up: int,
    iterations: int,
    columns: Mapping[str, tuple[str, str]],
    identity: Mapping[str, Any],
    checkpoint_every: int,
    out: Path | None,
    resume: bool,
    progress: bool,
    callback: Callback | None,
) -> tuple[Any, xr.Dataset]:
    """Iterates; returns the last state and the history.

    **Arguments:**

    - `iterate`: maps the state, and whether to learn, to the next state and the metrics of the
        iteration. It may overwrite the buffers of the state.
    - `state`: a `LearnerState`.
    - `warm_up`: iterations without learning before the first.
    - `iterations`: how many there are in the end.
    - `columns`: units and long names of the metrics but for those of the episodes; all of them
        must stay finite.
    - `identity`: what a resumed training must have in common with this one.
    - `checkpoint_every`: in iterations.
    """
    for name, count in {"iterations": iterations, "checkpoint_every": checkpoint_every}.items():
        if count < 1:
            raise ClosuraxError(f"`{name}` must be at least 1, not {count}.")
    if resume and out is None:
        raise ClosuraxError("To resume a training give `out`, the folder of its checkpoints.")
    columns = {**_COLUMNS, **columns, "learning_time": _LEARNING_TIME}
    history: dict[str, list[float]] = {name: [] for name in columns}
    last = None if out is None else Path(out) / "last.npz"
    # Iterations overwrite the buffers of the state; the caller's stay as they are.
    state = copied(state)
    resumed = resume and last is not None and last.is_file()
    if last is not None and resumed:
        state, history = read_checkpoint(last, state, identity)
    elif last is not None:
        last.parent.mkdir(parents=True, exist_ok=True)
        # A policy that no file can hold is refused now, not after the work.
        _write_policy(last, state, 0, identity)
    done = written = len(history["learning_time"])
    started = time.perf_counter() - sum(history["learning_time"][-1:])
    name = str(identity["learner"])
    if not resumed:
        for _ in tqdm(range(warm_up), desc=f"{name}, first experiences", disable=not progress):
            state, _ = iterate(state, False)
            jax.block_until_ready(state)
    with tqdm(total=iterations, initial=done, desc=name, disable=not progress) as bar:
        while done < iterations:
            state, metrics = iterate(state, True)
            row = {key: float(value) for key, value in metrics.items()}
            _check_finite(row, columns, done + 1, written, last)
            done += 1
            row["learning_time"] = time.perf_counter() - started
            for key, value in row.items():
                history[key].append(value)
            if last is not None and (done % checkpoint_every == 0 or done == iterations):
                _write(last, state, history, columns, identity)
                written = done
            if np.isfinite(row["return_mean"]):
                bar.set_postfix({"return": f"{row['return_mean']:.4g}"}, refresh=False)
            bar.update()
            if callback is not None and callback(done, copied(state.policy), row):
                break
    if last is not None and written < done:
        _write(last, state, history, columns, identity)
    return state, _dataset(history, columns, identity)


def training_identity(
    learner: str,
    policy: GaussianPolicy,
    critic: StateValue,
    environment: AbstractEnvironment,
    settings: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """What tells one training from another, as JSON."""
    return {
        "learner": learner,
        "policy": structure(policy),
        "critic": structure(critic),
        "environment": structure(environment),
        "arrays": arrays_digest((policy, critic, environment)),
        "settings": dict(settings),
        "seed": seed,
    }


def _write(last, state: LearnerState, history, columns, identity) -> None:
    _write_policy(last, state, len(history["learning_time"]), identity)
    write_history(_dataset(history, columns, identity), last.with_name("history.nc"))
    write_checkpoint(last, state, history, identity)


def _write_policy(last: Path, state: LearnerState, iterations: int, identity) -> None:
    provenance = {"training": dict(identity), "iterations": iterations}
    surrogate_file.save(last.with_name("policy.npz"), state.policy, provenance)


def _dataset(history, columns, identity) -> xr.Dataset:
    attrs = {
        "title": f"history of a training by {identity['learner']}",
        "source": f"closurax {version('closurax')}, jax {jax.__version__}",
        "settings": json.dumps(identity["settings"]),
        "seed": identity["seed"],
    }
    iterations = range(1, len(history["learning_time"]) + 1)
    return history_dataset("iteration", iterations, history, columns, attrs)


def _check_finite(row, columns, iteration: int, written: int, last: Path | None) -> None:
    bad = [name for name in row if name not in _COLUMNS and not np.isfinite(row[name])]
    if not bad:
        return
    kept = ""
    if last is not None and written:
        kept = f" The last checkpoint, after iteration {written}, is in {last}."
    raise ClosuraxError(
        f"The {columns[bad[0]][1]} became {row[bad[0]]} in iteration {iteration}: lower the "
        f"learning rate, or see that rewards and observations of the environment are finite.{kept}"
    )

"""Supervised training: the loop behind every surrogate that is learned from data."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.tree_util as jtu
import numpy as np
import optax
import xarray as xr
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, PyTree
from tqdm import tqdm

from closurax.datasets.batches import Batches
from closurax.physics.errors import ClosuraxError

from .checkpoint import TrainingState, read_checkpoint, write_checkpoint, write_model
from .copied import copied
from .history import History, write_history
from .identity import structure
from .parameter_average import parameter_average
from .sample_batches import held_in_memory, sample_batches
from .trainable import trainable_arrays
from .training_data import check_training_data, checked_digest

Loss = Callable[[PyTree, PyTree], Float[Array, ""]]


class FitResult(NamedTuple):
    """The models with the lowest validation loss and of the last epoch, and what happened."""

    best: PyTree
    last: PyTree
    history: xr.Dataset


def fit(
    model: PyTree,
    train: PyTree,
    validation: PyTree,
    *,
    loss: Loss,
    optimiser: optax.GradientTransformation,
    epochs: int,
    batch_size: int,
    seed: int,
    together: int = 1,
    configuration: Mapping[str, Any] | None = None,
    trainable: PyTree | None = None,
    average: float | None = None,
    patience: int | None = None,
    checkpoint_every: int = 1,
    devices: Sequence[jax.Device] | None = None,
    out: Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> FitResult:
    """Fits the arrays of `model` to `train` by mini-batch gradient descent.

    With `out` the folder holds, after every `checkpoint_every` epochs and at the end,
    `last.npz` and `best.npz` for `restore_model`, and `history.nc`. The shuffles depend on
    `seed` and the epoch alone, so that a training which was killed and resumed ends with the
    same arrays, bit by bit, as one that was not.

    Data larger than memory are read while they are used: an array of `train` or `validation` may
    be anything with `shape`, `dtype` and an index, a slice or increasing integers, such as
    `lazy_samples` and `TrajectoryWindows.lazy` make it, a memory map or a Dataset of h5py. One
    thread reads the next three batches during the computation, the samples of each in the order
    of the file, and has ended whenever `fit` returns or raises. The result is that of the same
    values in memory, bit by bit. Before the work all values are read once, to check and to
    identify them.

    **Arguments:**

    - `model`: an Equinox module.
    - `train`, `validation`: pytrees of arrays with a leading sample axis, in memory or not.
    - `loss`: maps a model and a batch of samples to a scalar, a mean over the samples.
    - `optimiser`: of optax, with any schedule.
    - `epochs`: at most this many passes over `train`.
    - `batch_size`: samples a step; what is left over at the end of an epoch is dropped.
    - `seed`: of the shuffles.
    - `together`: how many neighbours stay together in them, as for `Batches`, for files that are
        compressed in chunks of so many samples.
    - `configuration`: what `optimiser` and `loss` were made from, as JSON; it is recorded,
        and a resumed training must have the same.
    - `trainable`: a pytree like `model`, true for the arrays to train; by default
        `trainable_arrays(model)`.
    - `average`: the decay at each step of a moving average of the parameters; it is then the
        average that is validated and returned.
    - `patience`: stop after this many epochs without a lower validation loss.
    - `checkpoint_every`: in epochs.
    - `devices`: that share each batch; by default jax's first one takes all of it.
    - `out`: a folder, made if needed.
    - `resume`: go on from `last.npz` in `out`, if there is one; otherwise it is replaced.
    - `progress`: whether to show a bar with the losses and the samples per second.

    Raises `DataError` for data that do not fit together or are not finite, before any work, and
    for data that can no longer be read;
    `SurrogateFileError` for a checkpoint of another training; `ClosuraxError` if a loss
    becomes NaN or infinite: the best model until then is in `best.npz`.
    """
    n_train, n_validation = check_training_data(train, validation)
    batches = Batches(n_train, batch_size, seed, together)
    if average is not None:
        if not 0 < average < 1:
            raise ClosuraxError(f"`average` must lie between 0 and 1, not {average:g}.")
        optimiser = optax.chain(optimiser, parameter_average(average))
    if devices is not None and batch_size % len(devices):
        raise ClosuraxError(
            f"`batch_size` = {batch_size} cannot be shared by {len(devices)} devices; take a "
            "multiple."
        )
    _check_at_least_one(epochs=epochs, checkpoint_every=checkpoint_every, patience=patience)
    if resume and out is None:
        raise ClosuraxError("To resume a training give `out`, the folder of its checkpoints.")
    identity = {
        "model": structure(model),
        "configuration": _as_json(configuration or {}),
        "seed": seed,
        "batch_size": batch_size,
        "average": average,
        "data": checked_digest(train, validation, progress),
    }
    if together != 1:
        identity["together"] = together
    # Every step overwrites the buffers of the last one; the caller's stay as they are.
    model = copied(model)
    trainable = trainable_arrays(model) if trainable is None else trainable
    parameters, _ = eqx.partition(model, trainable)
    optimiser_state = copied(optimiser.init(parameters))
    state = TrainingState(model, optimiser_state, model, History())
    folder = None if out is None else _Folder(Path(out), identity)
    if folder is not None and resume and folder.last.is_file():
        state = read_checkpoint(folder.last, state, identity)

    def judged(training):
        parameters, optimiser_state = training
        return parameters if average is None else optimiser_state[-1].average

    parameters, frozen = eqx.partition(state.model, trainable)
    best, history = _on_host(state.best), state.history
    training = (parameters, copied(state.optimiser))
    shared = everywhere = None
    if devices is not None:
        mesh = Mesh(np.asarray(devices), ("batch",))
        shared = NamedSharding(mesh, PartitionSpec("batch"))
        everywhere = NamedSharding(mesh, PartitionSpec())
        frozen, training = eqx.filter_shard((frozen, training), everywhere)
    train, validation = (held_in_memory(data, everywhere) for data in (train, validation))
    chunks = [
        np.arange(start, min(start + batch_size, n_validation))
        for start in range(0, n_validation, batch_size)
    ]
    started = time.perf_counter() - sum(history.learning_time[-1:])
    with tqdm(
        total=epochs * batches.n_batches * batch_size,
        initial=history.epochs * batches.n_batches * batch_size,
        desc="training",
        unit=" samples",
        unit_scale=True,
        disable=not progress,
    ) as bar:
        while history.epochs < epochs and not _out_of_patience(history, patience):
            epoch = history.epochs + 1
            losses: list[Float[Array, ""]] = []
            rows = batches.indices(epoch)
            with closing(sample_batches(train, rows, "train", shared)) as samples:
                for batch in samples:
                    training, value = _step((loss, optimiser, shared, frozen, batch), training)
                    losses.append(value)
                    # The loss of the step before: the device stays busy while we look at it.
                    if len(losses) > 1:
                        _check_finite(losses[-2], epoch, len(losses) - 1, folder, best, history)
                        bar.set_postfix(_shown(losses[-2], history), refresh=False)
                    bar.update(batch_size)
            _check_finite(losses[-1], epoch, len(losses), folder, best, history)
            validation_loss = 0.0
            with closing(sample_batches(validation, chunks, "validation", everywhere)) as samples:
                for chunk, batch in zip(chunks, samples, strict=True):
                    chunk_loss = _evaluate((loss, frozen, judged(training)), batch)
                    validation_loss += len(chunk) * float(chunk_loss)
            validation_loss /= n_validation
            _check_finite(validation_loss, epoch, None, folder, best, history)
            history = history.with_epoch(
                training_loss=float(np.mean([float(value) for value in losses])),
                validation_loss=validation_loss,
                learning_time=time.perf_counter() - started,
            )
            bar.set_postfix(_shown(losses[-1], history))
            if history.best_epoch == history.epochs:
                best = _on_host(eqx.combine(judged(training), frozen))
            if folder is not None and history.epochs % checkpoint_every == 0:
                folder.write(_state(training, frozen, best, history))
    if folder is not None and history.epochs % checkpoint_every != 0:
        folder.write(_state(training, frozen, best, history))
    last = eqx.combine(judged(training), frozen)
    return FitResult(copied(best), last, history.to_dataset(**_attributes(identity)))


@eqx.filter_jit(donate="all-except-first")
def _step(fixed, training):
    loss, optimiser, shared, frozen, batch = fixed
    parameters, optimiser_state = training
    if shared is not None:
        batch = jax.lax.with_sharding_constraint(batch, shared)
    value, gradient = eqx.filter_value_and_grad(
        lambda parameters: loss(eqx.combine(parameters, frozen), batch)
    )(parameters)
    # The step counters of optax are integers that it multiplies with floats.
    with jax.numpy_dtype_promotion("standard"):
        updates, optimiser_state = optimiser.update(gradient, optimiser_state, parameters)
    return (eqx.apply_updates(parameters, updates), optimiser_state), value


@eqx.filter_jit
def _evaluate(fixed, batch):
    loss, frozen, parameters = fixed
    return loss(eqx.combine(parameters, frozen), batch)


class _Folder:
    def __init__(self, path: Path, identity: Mapping[str, Any]):
        self.path, self.identity = path, identity
        self.last = path / "last.npz"
        path.mkdir(parents=True, exist_ok=True)

    def write(self, state: TrainingState) -> None:
        self.write_best(state.best, state.history)
        history = state.history.to_dataset(**_attributes(self.identity))
        write_history(history, self.path / "history.nc")
        write_checkpoint(self.last, state, self.identity)

    def write_best(self, best: PyTree, history: History) -> None:
        write_model(self.path / "best.npz", best, history.best_epoch, self.identity)


def _state(training, frozen, best, history) -> TrainingState:
    return TrainingState(eqx.combine(training[0], frozen), training[1], best, history)


def _on_host(tree: PyTree) -> PyTree:
    return jtu.tree_map(lambda x: np.array(x) if eqx.is_array(x) else x, tree)


def _out_of_patience(history: History, patience: int | None) -> bool:
    return patience is not None and history.epochs - history.best_epoch >= patience


def _check_finite(
    value, epoch: int, step: int | None, folder: _Folder | None, best: PyTree, history: History
) -> None:
    if np.isfinite(float(value)):
        return
    where = f"training loss became {float(value)} at step {step} of"
    if step is None:
        where = f"validation loss became {float(value)} after"
    kept = ""
    if folder is not None and history.epochs:
        folder.write_best(best, history)
        kept = f" The best model, of epoch {history.best_epoch}, is in {folder.path / 'best.npz'}."
    raise ClosuraxError(
        f"The {where} epoch {epoch}: lower the learning rate or clip the gradients.{kept}"
    )


def _check_at_least_one(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ClosuraxError(f"`{name}` must be at least 1, not {count}.")


def _as_json(configuration: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(configuration)))
    except TypeError as error:
        raise ClosuraxError(f"`configuration` cannot be JSON ({error}).") from error


def _attributes(identity: Mapping[str, Any]) -> dict[str, str | int]:
    return {
        "title": "history of a training",
        "source": f"closurax {version('closurax')}, jax {jax.__version__}",
        "configuration": json.dumps(identity["configuration"]),
        "seed": identity["seed"],
        "batch_size": identity["batch_size"],
        "data": identity["data"],
    }


def _shown(value, history: History) -> dict[str, str]:
    shown = {"loss": f"{float(value):.3g}"}
    if history.epochs:
        shown["validation"] = f"{history.validation_loss[-1]:.3g}"
    return shown

"""Training inside the running simulation: gradients of its statistics through the solver."""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import optax
import xarray as xr
from jaxtyping import Array, Bool, Float, PyTree
from tqdm import tqdm

from closurax.physics import AbstractModel
from closurax.physics.errors import ClosuraxError

from .copied import copied
from .history import history_dataset
from .identity import arrays_digest, structure
from .parameter_average import parameter_average
from .state_checkpoint import read_checkpoint, write_checkpoint
from .trainable import trainable_arrays

_PATIENCE_WITH_FAILURES = 20
_COLUMNS = {
    "loss": ("1", "loss of the window"),
    "gradient_norm": ("1", "norm of the gradient before any clipping"),
    "finite": ("1", "1 where the window was finite and the parameters were updated"),
    "time": ("s", "time since the start, compilation included"),
}


class OnlineResult(NamedTuple):
    """The trained scheme, the states of the members at the end, and what happened."""

    scheme: PyTree
    states: PyTree
    history: xr.Dataset


def train_online(
    scheme: PyTree,
    states: PyTree,
    *,
    model: AbstractModel,
    slot: str,
    loss: Callable[[PyTree], Float[Array, ""]],
    windows: Sequence[float],
    save_every: float,
    dt: float,
    iterations: int,
    members: int,
    optimiser: optax.GradientTransformation,
    seed: int,
    restart: float = 0.05,
    average: float | None = None,
    solver: diffrax.AbstractSolver | None = None,
    schemes_called: str = "auto",
    trainable: PyTree | None = None,
    configuration: Mapping[str, Any] | None = None,
    checkpoint_every: int = 10,
    out: Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> OnlineResult:
    """Trains a scheme by a loss of what the simulation does with it, a posteriori.

    Several members run on and on, each iteration one window further; the gradient goes back
    through that window. So the scheme is trained on the states that it leads to itself, and the
    windows may be short next to the time in which the flow forgets its start.

    A window in which anything becomes non-finite changes no parameter; all members then start
    again from `states`.

    **Arguments:**

    - `scheme`: to start from; for `model.replace`. One with memory begins each window with its
        first memory.
    - `states`: of the model, with a leading axis: where members start.
    - `loss`: maps the states at the saves, with leading axes `(member, time)`, to a number.
    - `windows`: durations in s, each for an equal share of the iterations; begin with short ones
        where a bad scheme makes gradients explode.
    - `save_every`, `dt`: in s; see `AbstractModel.trajectory`, also for `solver` and
        `schemes_called`.
    - `iterations`: how many gradient steps.
    - `members`: how many simulations run side by side.
    - `optimiser`: of optax; clip the gradients.
    - `seed`: of the choice of states to start from.
    - `restart`: the probability that a member starts again after a window.
    - `average`: the decay at each step of a moving average of the parameters, which is then
        what is returned.
    - `trainable`: a pytree like `scheme`, true for the arrays to train; by default
        `trainable_arrays(scheme)`.
    - `configuration`: what `optimiser` and `loss` were made from, as JSON; a resumed training must
        have the same.
    - `out`: a folder, in which `last.npz` holds everything after every `checkpoint_every`
        iterations; `resume`: go on from it, if it is there. The result is then the same, bit by
        bit, as without the interruption.

    Raises `ClosuraxError` for settings that do not fit, before any work, and if twenty windows
    in a row become non-finite; `SurrogateFileError` for a checkpoint of another training.
    """
    _check(iterations, members, windows, restart)
    if average is not None:
        optimiser = optax.chain(optimiser, parameter_average(average))
    trainable = trainable_arrays(scheme) if trainable is None else trainable
    parameters, frozen = eqx.partition(copied(scheme), trainable)
    bank = jtu.tree_map(jnp.asarray, states)
    key, start_key = jr.split(jr.key(seed))
    training = _Training(
        parameters, copied(optimiser.init(parameters)), _drawn(bank, members, start_key)
    )
    columns: dict[str, list[float]] = {name: [] for name in _COLUMNS}
    identity = {
        "scheme": structure(scheme),
        "model": structure(model),
        "arrays": arrays_digest((scheme, model, bank)),
        "configuration": dict(configuration or {}),
        "windows": list(windows),
        "iterations": iterations,
        "members": members,
        "seed": seed,
    }
    last = None if out is None else Path(out) / "last.npz"
    if last is not None and resume and last.is_file():
        training, columns = read_checkpoint(last, training, identity)
    elif last is not None:
        last.parent.mkdir(parents=True, exist_ok=True)
    done, failures = len(columns["loss"]), 0
    begin = time.perf_counter() - sum(columns["time"][-1:])
    with tqdm(total=iterations, initial=done, desc="online", disable=not progress) as bar:
        for iteration in range(done, iterations):
            window = windows[iteration * len(windows) // iterations]
            run = (model, slot, window, save_every, dt, solver, schemes_called)
            training, found = _iterate(
                (run, loss, optimiser, frozen, bank, restart, jr.fold_in(key, iteration)),
                training,
            )
            report = {name: float(value) for name, value in found.items()}
            failures = 0 if report["finite"] else failures + 1
            for name, value in {**report, "time": time.perf_counter() - begin}.items():
                columns[name].append(value)
            if failures == _PATIENCE_WITH_FAILURES:
                raise ClosuraxError(
                    f"{failures} windows of {window:g} s in a row became non-finite, the last in "
                    f"iteration {iteration + 1}: begin with shorter `windows`, a smaller `dt`, a "
                    "smaller learning rate or a scheme that is stable."
                )
            if last is not None and (iteration + 1) % checkpoint_every == 0:
                write_checkpoint(last, training, columns, identity)
            bar.set_postfix(loss=f"{report['loss']:.3g}", refresh=False)
            bar.update()
    judged = training.parameters if average is None else training.optimiser[-1].average
    return OnlineResult(
        eqx.combine(judged, frozen), training.states, _history(columns, seed, windows)
    )


class _Training(NamedTuple):
    parameters: PyTree
    optimiser: PyTree
    states: PyTree


@eqx.filter_jit(donate="all-except-first")
def _iterate(fixed, training: _Training) -> tuple[_Training, dict[str, Array]]:
    (model, slot, window, save_every, dt, solver, schemes_called), *rest = fixed
    loss, optimiser, frozen, bank, restart, key = rest

    def objective(parameters):
        coupled = model.replace(**{slot: eqx.combine(parameters, frozen)})

        def run(state):
            saved, _ = coupled.trajectory(
                state,
                window,
                save_every=save_every,
                dt=dt,
                solver=solver,
                schemes_called=schemes_called,
            )
            return jtu.tree_map(lambda leaf: leaf[1:], saved)

        saved = jax.vmap(run)(training.states)
        return loss(saved), jtu.tree_map(lambda leaf: leaf[:, -1], saved)

    (value, ends), gradient = eqx.filter_value_and_grad(objective, has_aux=True)(
        training.parameters
    )
    finite = _all_finite((value, ends, gradient))
    # The step counters of optax are integers that it multiplies with floats.
    with jax.numpy_dtype_promotion("standard"):
        updates, state = optimiser.update(gradient, training.optimiser, training.parameters)
    parameters = eqx.apply_updates(training.parameters, updates)
    parameters, state = _chosen(
        finite, (parameters, state), (training.parameters, training.optimiser)
    )
    members = jtu.tree_leaves(ends)[0].shape[0]
    which_key, fresh_key = jr.split(key)
    goes_on = finite & ~jr.bernoulli(which_key, restart, (members,))
    states = jtu.tree_map(
        lambda end, fresh: jnp.where(goes_on.reshape(-1, *(1,) * (end.ndim - 1)), end, fresh),
        ends,
        _drawn(bank, members, fresh_key),
    )
    report = {"loss": value, "gradient_norm": _norm(gradient), "finite": finite}
    return _Training(parameters, state, states), report


def _drawn(bank: PyTree, members: int, key) -> PyTree:
    """States of the bank for the members, each as often as any other, as far as that goes."""
    size = jtu.tree_leaves(bank)[0].shape[0]
    rounds = -(-members // size)
    order = jax.vmap(lambda key: jr.permutation(key, size))(jr.split(key, rounds))
    return jtu.tree_map(lambda leaf: leaf[order.ravel()[:members]], bank)


def _norm(tree: PyTree) -> Float[Array, ""]:
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jtu.tree_leaves(tree)))


def _all_finite(tree: PyTree) -> Bool[Array, ""]:
    leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jtu.tree_leaves(tree)]
    return jnp.all(jnp.stack(leaves))


def _chosen(condition: Bool[Array, ""], first: PyTree, second: PyTree) -> PyTree:
    return jtu.tree_map(lambda x, y: jnp.where(condition, x, y), first, second)


def _check(iterations: int, members: int, windows: Sequence[float], restart: float) -> None:
    for name, count in (
        ("iterations", iterations),
        ("members", members),
        ("windows", len(windows)),
    ):
        if count < 1:
            raise ClosuraxError(f"`{name}` must be at least 1, not {count}.")
    if not 0 <= restart <= 1:
        raise ClosuraxError(f"`restart` = {restart:g} is a probability.")


def _history(columns: dict[str, list[float]], seed: int, windows: Sequence[float]) -> xr.Dataset:
    attrs = {
        "source": f"closurax {version('closurax')}, jax {jax.__version__}",
        "seed": seed,
        "windows": " ".join(f"{window:g}" for window in windows),
    }
    iterations = range(1, len(columns["loss"]) + 1)
    return history_dataset("iteration", iterations, columns, _COLUMNS, attrs)

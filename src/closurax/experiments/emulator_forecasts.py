"""Runs from the first fields of trajectories: of emulators, and of what they have to beat."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array
from scipy.signal import resample

from closurax.surrogates import operators

from .emulator_settings import EmulatorComparison
from .generate_trajectories import equation_model
from .shortest_seconds import shortest_seconds

_TIMED_RUNS, _TIMED_STEPS = 3, 5


class Forecast(NamedTuple):
    """Fields, `(sample, time, *space)` from the start on, and the seconds of a step and sample."""

    fields: np.ndarray
    seconds: float


def emulator_run(surrogate: operators.FieldSurrogate, start: np.ndarray, steps: int) -> Forecast:
    """A free run of an emulator."""
    first = jnp.asarray(start)
    fields = np.asarray(_rollout(surrogate, first, steps))
    seconds = shortest_seconds(lambda: _rollout(surrogate, first, _TIMED_STEPS), _TIMED_RUNS)
    return Forecast(fields, seconds / (_TIMED_STEPS * len(start)))


def persistence(start: np.ndarray, steps: int) -> Forecast:
    """The first field for ever."""
    shape = (len(start), steps + 1, *start.shape[1:])
    return Forecast(np.broadcast_to(start[:, None], shape), 0.0)


def climatology(train: np.ndarray, start: np.ndarray, steps: int) -> Forecast:
    """The mean over the times and trajectories of training."""
    mean = train.mean(axis=(0, 1), dtype=float).astype(start.dtype)
    return Forecast(np.broadcast_to(mean, (len(start), steps + 1, *mean.shape)), 0.0)


def coarse_solver(settings: EmulatorComparison, start: np.ndarray, steps: int) -> Forecast:
    """The solver on half the points of an axis, seen on all of them by Fourier interpolation."""
    fields, seconds = _solved(
        settings,
        settings.points // 2,
        settings.chosen.time_step * settings.rollouts.coarse_step_factor,
        start,
        steps,
    )
    return Forecast(_on_points(fields, settings.points, start.ndim - 1), seconds)


def solver_seconds(settings: EmulatorComparison, start: np.ndarray) -> float:
    """The seconds that the solver of the trajectories takes for a step of the emulators."""
    return _solved(
        settings, settings.chosen.grid_points, settings.chosen.time_step, start, _TIMED_STEPS
    )[1]


def _solved(
    settings: EmulatorComparison, points: int, dt: float, start: np.ndarray, steps: int
) -> tuple[np.ndarray, float]:
    equation = settings.chosen
    model = equation_model(equation.model_copy(update={"grid_points": points}))
    first = jnp.asarray(_on_points(start, points, start.ndim - 1))

    def solve(number: int) -> Array:
        return _solve(model, first, number * equation.save_every, equation.save_every, dt)

    fields = np.asarray(solve(steps))
    seconds = shortest_seconds(lambda: solve(_TIMED_STEPS), _TIMED_RUNS)
    return fields, seconds / (_TIMED_STEPS * len(start))


@eqx.filter_jit
def _solve(model: Any, start: Array, duration: float, save_every: float, dt: float) -> Array:
    def run(field: Array) -> Array:
        state = model.initial_state(field)
        states, _ = model.trajectory(state, duration, save_every=save_every, dt=dt)
        outputs = jax.vmap(lambda state: model.outputs(0.0, state, None, None))(states)
        (fields,) = outputs.values()
        return fields

    return jax.vmap(run)(start)


@eqx.filter_jit
def _rollout(surrogate: operators.FieldSurrogate, start: Array, steps: int) -> Array:
    def step(fields: Array, _: None) -> tuple[Array, Array]:
        after = jax.vmap(surrogate)(fields[:, None])[:, 0]
        return after, after

    _, fields = lax.scan(step, start, None, length=steps)
    return jnp.moveaxis(jnp.concatenate([start[None], fields]), 0, 1)


def _on_points(fields: np.ndarray, points: int, dimensions: int) -> np.ndarray:
    """Fields on another number of points of each of the last axes, which are periodic."""
    for axis in range(-dimensions, 0):
        if fields.shape[axis] != points:
            fields = resample(fields, points, axis=axis)
    return fields.astype(np.float32)

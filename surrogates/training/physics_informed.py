"""Physics-informed training: descent on the residuals of an equation at points."""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, PyTree
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError, TrainingDivergedError
from closurax.physics.problems import check_agreement

from ..fields.field import AbstractField
from .collocation import AbstractCollocation, Collocation
from .field_optimiser import AbstractFieldOptimiser, Equations
from .gradient_descent import GradientDescent
from .history import history_dataset
from .point_sampler import AbstractPointSampler, UniformPoints
from .trainable import trainable_arrays

Measures = Callable[[AbstractField], Mapping[str, float]]

_COLUMNS = {
    "training_loss": ("1", "loss on the training points before the last step"),
    "validation_loss": ("1", "loss on other points after the last step"),
    "learning_time": ("s", "time spent in steps"),
}


class PhysicsInformedFit(NamedTuple):
    """The field after the last step, and what happened, over `step`."""

    field: AbstractField
    history: xr.Dataset


def train_physics_informed(
    field: AbstractField,
    collocation: AbstractCollocation,
    *,
    optimiser: optax.GradientTransformation | AbstractFieldOptimiser,
    steps: int,
    seed: int,
    redraw: bool | AbstractPointSampler = False,
    report_every: int = 100,
    seconds: float | None = None,
    measures: Measures | None = None,
    trainable: PyTree | None = None,
    progress: bool = True,
) -> PhysicsInformedFit:
    r"""Lowers the residuals of a field at points, inside and on the faces, all at once,

    $$\sum_b \frac{1}{n_b} \sum_{i=1}^{n_b} \frac{r_b(x_{bi})^2}{s_b^2},$$

    for the blocks $b$ of points and their scales $s_b$, which say how much a condition weighs
    against the equation; see `AbstractCollocation.weighted`. The field of the last step is
    returned, not that of the lowest loss. For a field that is linear in its weights `solve_weights`
    does in a moment what this does not do at all.

    **Arguments:**

    - `field`: to start from. It has to be periodic by itself where the problem is.
    - `collocation`: the points, `Collocation`, for a `SeparableField` also `GridCollocation`, or
        with weights in time `CausalCollocation`. Its precision is that of the field.
    - `optimiser`: of optax, `optax.lbfgs()` for example, a minimiser of optimistix in
        `QuasiNewton`, or one for these problems, `LevenbergMarquardt()`, `VariableProjection()`,
        `NaturalGradient()` or `SelfScaledBroyden()`.
    - `steps`: at most, rounded up to a multiple of `report_every`.
    - `seed`: of the points of the validation, and of those that are drawn.
    - `redraw`: whether to draw new random points after every `report_every` steps, or where:
        `ResidualAdaptivePoints()`.
    - `report_every`: how many steps there are between two rows of the history.
    - `seconds`: to end after so much time in steps, compilation not counted.
    - `measures`: more columns of the history, computed from the field and not counted in its time,
        such as an error; nothing depends on them.
    - `trainable`: a pytree like `field`, true for the arrays to train; by default
        `trainable_arrays(field)`.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` for numbers that make no sense, a field or residuals of other shapes
    than the problem needs, or conditions that disagree (`check_agreement`), before any work;
    `TrainingDivergedError` if a loss becomes NaN or infinite, with the last finite result.
    """
    if min(steps, report_every) < 1 or (seconds is not None and seconds <= 0):
        raise ClosuraxError(
            f"`steps` = {steps} and `report_every` = {report_every} must be at least 1, and "
            f"`seconds` = {seconds} positive."
        )
    _check_shapes(field, collocation)
    check_agreement(collocation.problem)
    if not isinstance(optimiser, AbstractFieldOptimiser):
        optimiser = GradientDescent(optimiser)
    parameters, frozen = eqx.partition(
        field, trainable_arrays(field) if trainable is None else trainable
    )
    equations = Equations(collocation, frozen)
    validation = _validation(collocation, seed)
    sampler = UniformPoints() if redraw is True else redraw or None
    key = jax.random.key(seed)
    index = jnp.zeros((), jnp.int32)
    state = eqx.filter_jit(optimiser.init)(parameters, equations)
    several: Any = eqx.filter_jit(_several)
    fixed = (optimiser, report_every, sampler, key, equations)
    several = several.lower(*fixed, parameters, state, index).compile()
    judge: Any = eqx.filter_jit(_loss)
    judge = judge.lower(validation, frozen, parameters).compile()

    rows: dict[int, dict[str, float]] = {}
    learning_time, step = 0.0, 0
    with tqdm(total=steps, desc="training", unit=" steps", disable=not progress) as bar:
        while step < steps and (seconds is None or learning_time < seconds):
            started = time.perf_counter()
            after = several(*fixed, parameters, state, index + step)
            loss = float(after[2])
            learning_time += time.perf_counter() - started
            row = {
                "training_loss": loss,
                "validation_loss": float(judge(validation, frozen, after[0])),
                "learning_time": learning_time,
            }
            if not (np.isfinite(loss) and np.isfinite(row["validation_loss"])):
                last = PhysicsInformedFit(eqx.combine(parameters, frozen), _history(rows, seed))
                raise TrainingDivergedError(
                    f"The loss became {loss:g}, and {row['validation_loss']:g} at the points of "
                    f"the validation, in the steps from {step} to {step + report_every}: lower "
                    "the learning rate. The error has the last finite result, `last`.",
                    last,
                )
            parameters, state, _ = after
            step += report_every
            if measures is not None:
                row |= measures(eqx.combine(parameters, frozen))
            rows[step] = row
            bar.update(report_every)
            bar.set_postfix(
                loss=f"{loss:.2e}", validation=f"{row['validation_loss']:.2e}", refresh=False
            )
    return PhysicsInformedFit(eqx.combine(parameters, frozen), _history(rows, seed))


def _several(optimiser, count, sampler, key, equations, parameters, state, index):
    if sampler is not None:
        field, key = equations.field(parameters), jax.random.fold_in(key, index)
        collocation = sampler(equations.collocation, field, key)
        equations = Equations(collocation, equations.frozen)
        state = optimiser.renewed(state, parameters, equations)
    arrays, static = eqx.partition(state, eqx.is_array)

    def step(carry, _):
        parameters, arrays = carry
        parameters, state, loss = optimiser.step(parameters, eqx.combine(arrays, static), equations)
        return (parameters, eqx.filter(state, eqx.is_array)), loss

    (parameters, arrays), losses = jax.lax.scan(step, (parameters, arrays), length=count)
    return parameters, eqx.combine(arrays, static), losses[-1]


def _loss(collocation, frozen, parameters):
    return Equations(collocation, frozen).loss(parameters)


def _validation(collocation: AbstractCollocation, seed: int) -> Collocation:
    held_out = Collocation.held_out(collocation.problem, seed)
    dtype = collocation.scales.dtype

    def cast(array: Array) -> Array:
        return array.astype(dtype)

    interior, faces = jax.tree.map(cast, (held_out.interior, held_out.faces))
    return Collocation(
        problem=collocation.problem, interior=interior, faces=faces, scales=collocation.scales
    )


def _check_shapes(field: AbstractField, collocation: AbstractCollocation) -> None:
    problem = collocation.problem
    name, fields = type(problem).__name__, len(problem.fields)
    point = jax.ShapeDtypeStruct((problem.dims,), collocation.scales.dtype)
    jet = eqx.filter_eval_shape(lambda point: field.jet(point), point)
    expected = ((fields,), (fields, problem.dims), (fields, problem.dims))
    found = (jet.value.shape, jet.gradient.shape, jet.second.shape)
    if found != expected:
        raise ClosuraxError(
            f"{type(field).__name__} has values, slopes and second derivatives of shapes {found}, "
            f"but {name} needs {expected}: {fields} fields of {problem.dims} coordinates."
        )
    conditions = {condition.name: condition.residual for condition in problem.conditions()}
    for what, residual in {"the equation": problem.residual, **conditions}.items():
        shape = eqx.filter_eval_shape(residual, point, jet).shape
        if len(shape) != 1:
            raise ClosuraxError(
                f"The residual of {what} of {name} has shape {shape} at a point; it must be "
                "(equations,)."
            )


def _history(rows: Mapping[int, Mapping[str, float]], seed: int) -> xr.Dataset:
    names = [*_COLUMNS, *(name for name in next(iter(rows.values()), {}) if name not in _COLUMNS)]
    columns = {name: [row[name] for row in rows.values()] for name in names}
    attrs = {
        "title": "history of a training",
        "source": f"closurax {version('closurax')}, jax {jax.__version__}",
        "seed": seed,
    }
    described = {**_COLUMNS, "step": ("1", "steps done")}
    return history_dataset("step", [*rows], columns, described, attrs)

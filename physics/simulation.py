"""Running a model: compiled segments between saves, progress, and a stop at non-finite values."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jax import lax
from jaxtyping import Array, Bool, PyTree
from tqdm import tqdm

from .description import describe
from .errors import BlowUpError, ClosuraxError
from .model import AbstractModel
from .solvers.once_per_step import OncePerStep

# States between two saves that a gradient keeps.
_CHECKPOINTS = 16


def simulate(
    model: AbstractModel,
    state: Any,
    duration: float,
    *,
    save_every: float,
    dt: float | None,
    step_control: diffrax.AbstractStepSizeController | None,
    solver: diffrax.AbstractSolver,
    schemes_called: str,
    args: Any,
    start: float,
    throw: bool,
    progress: bool,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """See `AbstractModel.run`."""
    saves = _whole_number(duration, save_every, "duration", "save_every")
    if (dt is None) == (step_control is None):
        raise ClosuraxError("Give either `dt` or `step_control` to `run`.")
    if dt is not None:
        steps = _whole_number(save_every, dt, "save_every", "dt")
        times = jnp.linspace(0.0, save_every, steps + 1, dtype=jnp.result_type(float))
        step_control = diffrax.StepTo(times)
        model = model.with_time_step(dt)
    has_members = _has_members(state, model.state_shape)
    members = jtu.tree_map(lambda leaf: jnp.asarray(leaf if has_members else leaf[None]), state)
    count = jtu.tree_leaves(members)[0].shape[0]
    first = jtu.tree_map(lambda leaf: leaf[0], members)
    solver, split = _splitting(model, first, solver, schemes_called, args)
    carry: Any = members
    if split:
        carry = (members, jax.vmap(lambda s: model.initial_memory(s, args))(members))
    if not bool(_is_finite(members)):
        raise ClosuraxError("The initial state is not finite.")

    saved = [_numpy(_outputs(model, carry, jnp.asarray(start, float), solver, args))]
    time = [start]
    blow_up_time = np.full(count, np.nan)
    message = None
    for i in tqdm(range(saves), desc="simulating", unit="save", delay=2, disable=not progress):
        segment_start = start + i * save_every
        new_carry, outputs, finite = _advance(
            model, carry, jnp.asarray(segment_start, jnp.result_type(float)),
            save_every, solver, step_control, args,
        )  # fmt: skip
        for lost in np.flatnonzero(~np.asarray(finite) & np.isnan(blow_up_time)):
            offset, step, reason, fields = _end(
                model, jtu.tree_map(lambda leaf, lost=lost: leaf[lost], carry),
                jnp.asarray(segment_start, jnp.result_type(float)),
                save_every, solver, step_control, args,
            )  # fmt: skip
            blow_up_time[lost] = segment_start + offset
            if throw and message is None:
                message = (
                    f"The state {reason} in member {lost} at step {step} after "
                    f"t = {segment_start:g} s (t = {segment_start + offset:g} s), in "
                    f"{fields or sorted(model.output_variables)}: take a smaller step, or a scheme "
                    "that dissipates more. Everything saved before is in `partial`."
                )
        if message is not None:
            break
        carry = new_carry
        saved.append(_numpy(outputs))
        time.append(segment_start + save_every)
        if np.isfinite(blow_up_time).all():
            break
    dataset = model.derived_outputs(_label(model, saved, time, has_members, blow_up_time))
    dataset.attrs.update(_provenance(model, solver, dt), **attrs)
    if message is not None:
        raise BlowUpError(message, dataset)
    return dataset


@eqx.filter_jit
def _advance(model, carry, start, save_every, solver, step_control, args):
    def advance_member(member):
        solution = _solve(model, member, start, save_every, solver, step_control, args)
        member = jtu.tree_map(lambda leaf: leaf[0], solution.ys)
        reached_end = solution.result == diffrax.RESULTS.successful
        finite = reached_end & _is_finite(member)
        member = jtu.tree_map(
            lambda leaf: jnp.where(finite, leaf, jnp.nan) if eqx.is_inexact_array(leaf) else leaf,
            member,
        )
        return member, finite

    carry, finite = _over_members(advance_member, carry)
    return carry, _outputs(model, carry, start + save_every, solver, args), finite


@eqx.filter_jit
def _outputs(model, carry, t, solver, args):
    def outputs(member):
        fields, memory = member if isinstance(solver, OncePerStep) else (member, None)
        return model.outputs(t, fields, memory, args)

    return _over_members(outputs, carry)


def _over_members(function: Callable, members: PyTree) -> PyTree:
    """`vmap`, but a plain call of a single member, where `lax.cond` skips what is not needed."""
    if jtu.tree_leaves(members)[0].shape[0] > 1:
        return jax.vmap(function)(members)
    returned = function(jtu.tree_map(lambda leaf: leaf[0], members))
    return jtu.tree_map(lambda leaf: leaf[None], returned)


def _end(
    model, carry, start, save_every, solver, step_control, args
) -> tuple[float, int, str, list[str]]:
    """When, at which step, how and in which fields a segment ends that does not reach its end."""
    solution = _solve_until_non_finite(model, carry, start, save_every, solver, step_control, args)
    blew_up = not bool(_is_finite(solution.ys))
    reason = "became non-finite" if blew_up else "needs too small a time step"
    fields = solution.ys[0] if isinstance(solver, OncePerStep) else solution.ys
    names = [
        jtu.keystr(path).strip(".")
        for path, leaf in jtu.tree_leaves_with_path(fields)
        if path and not bool(jnp.all(jnp.isfinite(leaf)))
    ]
    return float(solution.ts[0]), int(solution.stats["num_steps"]), reason, names


@eqx.filter_jit
def _solve_until_non_finite(model, carry, start, save_every, solver, step_control, args):
    event = diffrax.Event(lambda t, y, args, **kwargs: ~_is_finite(y))
    return _solve(model, carry, start, save_every, solver, step_control, args, event)


def _is_finite(carry) -> Bool[Array, ""]:
    leaves = [leaf for leaf in jtu.tree_leaves(carry) if eqx.is_inexact_array(leaf)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


def _solve(
    model, carry, start, save_every, solver, step_control, args, event=None, max_steps=None
) -> diffrax.Solution:
    make_terms = model.once_per_step_terms if isinstance(solver, OncePerStep) else model.terms
    return diffrax.diffeqsolve(
        make_terms(_first_leaf(carry).dtype, start),
        solver,
        t0=0.0,
        t1=save_every,
        dt0=None,
        y0=carry,
        args=args,
        saveat=diffrax.SaveAt(t1=True),
        adjoint=diffrax.RecursiveCheckpointAdjoint(_checkpoints(max_steps)),
        stepsize_controller=step_control,
        event=event,
        max_steps=max_steps,
        throw=False,
    )


def trajectory(
    model: AbstractModel,
    state: Any,
    duration: float,
    *,
    save_every: float,
    dt: float,
    memory: PyTree,
    solver: diffrax.AbstractSolver,
    schemes_called: str,
    args: Any,
    start: Any,
) -> tuple[Any, PyTree]:
    """See `AbstractModel.trajectory`."""
    saves = _whole_number(duration, save_every, "duration", "save_every")
    steps = _whole_number(save_every, dt, "save_every", "dt")
    model = model.with_time_step(dt)
    if _has_members(state, model.state_shape):
        raise ClosuraxError("The state has a member axis; `vmap` over it.")
    solver, split = _splitting(model, state, solver, schemes_called, args)
    if split and memory is None:
        memory = model.initial_memory(state, args)
    times = jnp.linspace(0.0, save_every, steps + 1, dtype=jnp.result_type(float))
    step_control = diffrax.StepTo(times)

    def advance(carry, segment_start):
        solution = _solve(
            model, carry, segment_start, save_every, solver, step_control, args, None, steps
        )
        carry = jtu.tree_map(lambda leaf: leaf[0], solution.ys)
        return carry, carry[0] if split else carry

    starts = start + save_every * jnp.arange(saves, dtype=times.dtype)
    carry, later = lax.scan(advance, (state, memory) if split else state, starts)
    states = jtu.tree_map(lambda x, y: jnp.concatenate([x[None], y]), state, later)
    return states, carry[1] if split else None


def _checkpoints(steps: int | None) -> int | None:
    """Between two saves; `None` leaves it to diffrax, with the root of the number of steps."""
    if steps is None or steps > _CHECKPOINTS**2 / 2:
        return None
    # With more of them, short segments are recomputed once and not twice.
    return min(steps, _CHECKPOINTS)


def _first_leaf(tree: PyTree) -> Array:
    return jtu.tree_leaves(tree)[0]


def _has_members(state: PyTree, shape: PyTree) -> bool:
    """Whether the state has a member axis; raises `ClosuraxError` if it is not the model's."""
    structure: Any
    leaves, structure = jtu.tree_flatten(state)
    shapes, wanted = jtu.tree_flatten(shape, is_leaf=lambda node: type(node) is tuple)
    hint = "make it with the model's `initial_state`."
    if structure != wanted:
        raise ClosuraxError(f"The state is {structure}, but the model's is {wanted}: {hint}")
    extra = set()
    for leaf, single in zip(leaves, shapes, strict=True):
        extra.add(leaf.ndim - len(single))
        if leaf.shape[max(leaf.ndim - len(single), 0) :] != single or extra not in ({0}, {1}):
            raise ClosuraxError(
                f"The state has shape {tuple(leaf.shape)}, but one member's is {single}: {hint}"
            )
    return extra == {1}


def _splitting(model, state, solver, schemes_called, args) -> tuple[diffrax.AbstractSolver, bool]:
    """The solver to use, and whether it is one that calls the schemes once per step."""
    if isinstance(solver, OncePerStep):
        solver, schemes_called = solver.solver, "every step"
    split = _called_every_step(model, state, schemes_called, args)
    return OncePerStep(solver) if split else solver, split


def _called_every_step(model, state, schemes_called, args) -> bool:
    memory = eqx.filter_eval_shape(model.initial_memory, state, args)
    has_memory = bool(jtu.tree_leaves(memory))
    if schemes_called == "auto":
        return has_memory or model.adjustment is not None
    if schemes_called not in ("every stage", "every step"):
        raise ClosuraxError(
            f"`schemes_called` is {schemes_called!r}; it may be 'auto', 'every stage' or "
            "'every step'."
        )
    if schemes_called == "every stage" and has_memory:
        raise ClosuraxError(
            "A scheme with memory maps one step to the next: it must be called 'every step'."
        )
    if schemes_called == "every stage" and model.adjustment is not None:
        raise ClosuraxError(
            f"{type(model).__name__} adjusts its state at the end of each step: call the schemes "
            "'every step', or make the adjustments tendencies."
        )
    return schemes_called == "every step"


def _whole_number(long: float, short: float, long_name: str, short_name: str) -> int:
    if short <= 0 or long <= 0:
        raise ClosuraxError(f"`{long_name}` and `{short_name}` must be positive: {long}, {short}.")
    count = round(long / short)
    if count < 1 or abs(count * short - long) > 1e-6 * long:
        raise ClosuraxError(
            f"`{long_name}` = {long} s is not a multiple of `{short_name}` = {short} s."
        )
    return count


def _numpy(outputs) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in outputs.items()}


def _label(model, saved, time, has_members, blow_up_time) -> xr.Dataset:
    lead = ("member", "time") if has_members else ("time",)
    data = {}
    for name, variable in model.output_variables.items():
        if name not in saved[0]:
            continue
        values = np.stack([output[name] for output in saved], axis=1)
        attrs = {"units": variable.units, "long_name": variable.long_name}
        if variable.standard_name is not None:
            attrs["standard_name"] = variable.standard_name
        data[name] = (lead + variable.dims, values if has_members else values[0], attrs)
    if has_members:
        attrs = {"units": "s", "long_name": "time at which the member became non-finite"}
        data["blow_up_time"] = (("member",), blow_up_time, attrs)
    coords = {
        name: (dim, values, attrs) for name, (dim, values, attrs) in model.coordinates().items()
    }
    coords["time"] = ("time", np.asarray(time), {"units": "s", "long_name": "model time"})
    return xr.Dataset(data, coords=coords)


def _provenance(model, solver, dt) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.11",
        "source": f"closurax {version('closurax')}, jax {jax.__version__}",
        "model": describe(model),
        "solver": describe(solver),
        "time_step": "chosen by the step control" if dt is None else f"{dt:g} s",
    }

"""Running a model: compiled segments between saves, progress, and a stop at non-finite values."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool
from tqdm import tqdm

from .description import describe
from .errors import BlowUpError, ClosuraxError
from .model import AbstractModel
from .solvers.once_per_step import OncePerStep


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
    single = model.state_shape
    if state.shape[-len(single) :] != single or state.ndim > len(single) + 1:
        raise ClosuraxError(
            f"The state has shape {tuple(state.shape)}, but one member's is {single}: make it "
            "with the model's `initial_state`."
        )
    has_members = state.ndim == len(single) + 1
    members = jnp.asarray(state if has_members else state[None])
    if isinstance(solver, OncePerStep):
        solver, schemes_called = solver.solver, "every step"
    split = _called_every_step(model, members[0], schemes_called, args)
    carry: Any = members
    if split:
        carry = (members, jax.vmap(lambda s: model.initial_memory(s, args))(members))
        solver = OncePerStep(solver)
    if not bool(jnp.all(jnp.isfinite(members))):
        raise ClosuraxError("The initial state is not finite.")

    saved = [_numpy(jax.vmap(model.outputs)(members))]
    time = [start]
    blow_up_time = np.full(members.shape[0], np.nan)
    message = None
    for i in tqdm(range(saves), desc="simulating", unit="save", delay=2, disable=not progress):
        segment_start = start + i * save_every
        new_carry, outputs, finite = _advance(
            model, carry, jnp.asarray(segment_start, jnp.result_type(float)),
            save_every, solver, step_control, args,
        )  # fmt: skip
        for lost in np.flatnonzero(~np.asarray(finite) & np.isnan(blow_up_time)):
            offset, step, reason = _end(
                model, jtu.tree_map(lambda leaf, lost=lost: leaf[lost], carry),
                jnp.asarray(segment_start, jnp.result_type(float)),
                save_every, solver, step_control, args,
            )  # fmt: skip
            blow_up_time[lost] = segment_start + offset
            if throw and message is None:
                message = (
                    f"The state {reason} in member {lost} at step {step} after "
                    f"t = {segment_start:g} s (t = {segment_start + offset:g} s), in "
                    f"{sorted(model.output_variables)}: take a smaller step, or a scheme that "
                    "dissipates more. Everything saved before is in `partial`."
                )
        if message is not None:
            break
        carry = new_carry
        saved.append(_numpy(outputs))
        time.append(segment_start + save_every)
        if np.isfinite(blow_up_time).all():
            break
    dataset = _label(model, saved, time, has_members, blow_up_time)
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
        fields = member[0] if isinstance(solver, OncePerStep) else member
        return member, model.outputs(fields), finite

    return jax.vmap(advance_member)(carry)


def _end(model, carry, start, save_every, solver, step_control, args) -> tuple[float, int, str]:
    """When, at which step and how a segment ends that does not reach its end."""
    solution = _solve_until_non_finite(model, carry, start, save_every, solver, step_control, args)
    blew_up = not bool(_is_finite(solution.ys))
    reason = "became non-finite" if blew_up else "needs too small a time step"
    return float(solution.ts[0]), int(solution.stats["num_steps"]), reason


@eqx.filter_jit
def _solve_until_non_finite(model, carry, start, save_every, solver, step_control, args):
    event = diffrax.Event(lambda t, y, args, **kwargs: ~_is_finite(y))
    return _solve(model, carry, start, save_every, solver, step_control, args, event)


def _is_finite(carry) -> Bool[Array, ""]:
    leaves = [leaf for leaf in jtu.tree_leaves(carry) if eqx.is_inexact_array(leaf)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


def _solve(
    model, carry, start, save_every, solver, step_control, args, event=None
) -> diffrax.Solution:
    split = isinstance(solver, OncePerStep)
    fields = carry[0] if split else carry
    make_terms = model.once_per_step_terms if split else model.terms
    return diffrax.diffeqsolve(
        make_terms(fields.dtype, start),
        solver,
        t0=0.0,
        t1=save_every,
        dt0=None,
        y0=carry,
        args=args,
        saveat=diffrax.SaveAt(t1=True),
        stepsize_controller=step_control,
        event=event,
        max_steps=None,
        throw=False,
    )


def _called_every_step(model, state, schemes_called, args) -> bool:
    memory = eqx.filter_eval_shape(model.initial_memory, state, args)
    has_memory = bool(jtu.tree_leaves(memory))
    if schemes_called == "auto":
        return has_memory
    if schemes_called not in ("every stage", "every step"):
        raise ClosuraxError(
            f"`schemes_called` is {schemes_called!r}; it may be 'auto', 'every stage' or "
            "'every step'."
        )
    if schemes_called == "every stage" and has_memory:
        raise ClosuraxError(
            "A scheme with memory maps one step to the next: it must be called 'every step'."
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

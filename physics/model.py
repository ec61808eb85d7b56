"""What a model is: dynamics, schemes by name, and a run that ends in an xarray.Dataset."""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import diffrax
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PyTree

from .errors import SchemeMismatchError
from .scheme import AbstractScheme, Slot
from .solvers.once_per_step import OncePerStepTerm

# A pytree of floating-point arrays.
State = Any
Adjustment = Callable[[Any, Any, State, Any], State]


class OutputVariable(NamedTuple):
    """How an output of a model is labelled in a Dataset."""

    dims: tuple[str, ...]
    units: str
    long_name: str
    standard_name: str | None = None


class AbstractModel(eqx.Module):
    """A differentiable simulation whose schemes can be replaced by name.

    Subclasses give the dynamics. A state is a pytree of arrays without a batch axis; `run` takes
    a leading member axis as well.
    """

    if TYPE_CHECKING:
        # Type checkers take an AbstractVar for an argument of `__init__` before all others.
        @property
        def schemes(self) -> dict[str, AbstractScheme]: ...

    else:
        schemes: eqx.AbstractVar[dict[str, AbstractScheme]]
    slots: eqx.AbstractClassVar[Mapping[str, Slot]]
    output_variables: eqx.AbstractClassVar[Mapping[str, OutputVariable]]

    @property
    @abstractmethod
    def state_shape(self) -> Any:
        """The shape of one member's state, or a pytree like the state of its leaves' shapes."""

    @property
    @abstractmethod
    def default_solver(self) -> diffrax.AbstractSolver:
        """The solver that `run` uses unless it is given one."""

    @property
    @abstractmethod
    def adjustment(self) -> Adjustment | None:
        """What changes the state at once at the end of each step, if anything does.

        It maps `(t, dt, state, args)` to the state at the time `t`, the end of a step of `dt` in
        s; only `OncePerStep` calls it.
        """

    @abstractmethod
    def with_time_step(self, dt: float) -> Self:
        """This model as it is integrated in steps of `dt` in s."""

    @abstractmethod
    def diffrax_terms(self, explicit: Callable, dtype) -> diffrax.AbstractTerm:
        """The terms whose explicit part is `explicit(t, state, args)`."""

    @abstractmethod
    def dynamics_tendency(self, t, state: State, args) -> State:
        """The explicit part of the resolved dynamics."""

    @abstractmethod
    def scheme_inputs(self, t, state: State, names: frozenset[str], args) -> dict[str, Any]:
        """The fields called `names`, and the grid."""

    @abstractmethod
    def state_tendency(
        self, slot: str, tendencies: Mapping[str, Array], inputs: Mapping[str, Any]
    ) -> State:
        """What a scheme returned for `inputs`, as a tendency of the state."""

    @abstractmethod
    def outputs(self, t, state: State, memory: PyTree, args) -> dict[str, Array]:
        """The fields that `run` saves, by the names of `output_variables`.

        `memory` is that of the schemes, or `None` if they are called at every stage.
        """

    @abstractmethod
    def derived_outputs(self, dataset: xr.Dataset) -> xr.Dataset:
        """The saved fields and what follows from them, such as rates from amounts."""

    @abstractmethod
    def coordinates(self) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
        """The coordinates of the outputs, for xarray."""

    def __check_init__(self):
        for name, scheme in self.schemes.items():
            if name not in self.slots:
                raise SchemeMismatchError(
                    f"{type(self).__name__} has no slot {name!r}; it has {sorted(self.slots)}."
                )
            if not isinstance(scheme, AbstractScheme):
                raise SchemeMismatchError(
                    f"Slot {name!r} takes a scheme, not {type(scheme).__name__}; wrap a plain "
                    "network in a scheme that says what it reads and returns."
                )
            self.slots[name].check(name, scheme)

    def replace(self, **schemes: AbstractScheme | None) -> Self:
        """This model with the named schemes in their slots; `None` empties a slot.

        Raises `SchemeMismatchError` if a scheme does not fit.
        """
        filled = {k: v for k, v in {**self.schemes, **schemes}.items() if v is not None}
        unknown = set(schemes) - set(self.slots)
        if unknown:
            raise SchemeMismatchError(
                f"{type(self).__name__} has no slot {sorted(unknown)}; it has {sorted(self.slots)}."
            )
        # Subclasses hold `schemes` as a field.
        return dataclasses.replace(self, schemes=filled)  # type: ignore[call-arg]

    def call_schemes(self, t, state: State, memory: PyTree, args=None) -> tuple[State, PyTree]:
        """The sum of the schemes' tendencies of the state, and their new memory."""
        total, new_memory = jtu.tree_map(jnp.zeros_like, state), {}
        for slot, scheme in self.schemes.items():
            names = frozenset(quantity.name for quantity in scheme.reads)
            inputs = self.scheme_inputs(t, state, names, args)
            tendencies, new_memory[slot] = scheme(inputs, memory[slot])
            total = add(total, self.state_tendency(slot, tendencies, inputs))
        return total, new_memory

    def initial_memory(self, state: State, args=None) -> PyTree:
        """The memory of every scheme before the first step."""
        memory = {}
        for slot, scheme in self.schemes.items():
            names = frozenset(quantity.name for quantity in scheme.reads)
            memory[slot] = scheme.initial_carry(self.scheme_inputs(0.0, state, names, args))
        return memory

    def terms(self, dtype=None, start: float | Float[Array, ""] = 0.0) -> diffrax.AbstractTerm:
        """The terms for diffrax, with the schemes called at every stage.

        **Arguments:**

        - `dtype`: of the state; by default jax's floating-point type.
        - `start`: the model time in s at which diffrax's time is zero. Times near zero keep
            single precision exact in long runs.
        """
        return self.diffrax_terms(_EveryStage(self, start), dtype)

    def once_per_step_terms(
        self, dtype=None, start: float | Float[Array, ""] = 0.0
    ) -> OncePerStepTerm:
        """The terms for `OncePerStep`, whose state is `(state, memory)`; arguments as `terms`."""
        return OncePerStepTerm(
            dynamics=self.diffrax_terms(_HeldSchemes(self, start), dtype),
            call_schemes=_ShiftedSchemes(self, start),
            adjust=None if self.adjustment is None else _ShiftedAdjustment(self, start),
        )

    def tendency(self, t, state: State, args=None) -> State:
        """The whole tendency of the state, for models whose schemes have no memory."""
        terms = self.terms(jtu.tree_leaves(state)[0].dtype)
        return terms.vf_prod(t, state, args, terms.contr(0.0, 1.0))

    def run(
        self,
        state: State,
        duration: float,
        *,
        save_every: float,
        dt: float | None = None,
        step_control: diffrax.AbstractStepSizeController | None = None,
        solver: diffrax.AbstractSolver | None = None,
        schemes_called: str = "auto",
        args: Any = None,
        start: float = 0.0,
        throw: bool = True,
        progress: bool = True,
        attrs: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Integrates from `state` and returns the outputs, the initial ones included.

        **Arguments:**

        - `state`: as `initial_state` returns it, with or without a leading member axis.
        - `duration`, `save_every`, `start`: in s; `duration` a multiple of `save_every`.
        - `dt`: constant step in s, a divisor of `save_every`; or else
        - `step_control`: a diffrax step size controller such as `CFL`.
        - `solver`: a diffrax solver for the terms of this model; by default `default_solver`.
        - `schemes_called`: `"every stage"` of the solver; `"every step"`, held over the stages;
            or `"auto"`: every stage unless a scheme has memory or the model adjusts its state
            at the end of each step.
        - `args`: handed to the dynamics.
        - `throw`: whether a non-finite state raises `BlowUpError`, which holds what was saved.
            Otherwise members that blow up are NaN from then on and `blow_up_time` says when.
        - `progress`: whether to show a bar if the run takes more than two seconds.
        - `attrs`: recorded in the Dataset next to version and configuration.
        """
        from .simulation import simulate

        return simulate(
            self,
            state,
            duration,
            save_every=save_every,
            dt=dt,
            step_control=step_control,
            solver=solver or self.default_solver,
            schemes_called=schemes_called,
            args=args,
            start=start,
            throw=throw,
            progress=progress,
            attrs=attrs or {},
        )

    def trajectory(
        self,
        state: State,
        duration: float,
        *,
        save_every: float,
        dt: float,
        memory: PyTree = None,
        solver: diffrax.AbstractSolver | None = None,
        schemes_called: str = "auto",
        args: Any = None,
        start: float | Float[Array, ""] = 0.0,
    ) -> tuple[State, PyTree]:
        """The states at the saves, the initial one included, for `jit`, `grad` and `vmap`.

        The arguments are those of `run`, and

        - `state`: of one member; `vmap` for more.
        - `memory`: of the schemes, to go on from; by default what they have at first.

        The states have a leading time axis. With them comes the memory at the end, or `None` if
        the schemes are called at every stage. Reverse-mode derivatives recompute between
        checkpoints, so that memory grows with the number of saves and hardly with that of steps.
        """
        from .simulation import trajectory

        return trajectory(
            self,
            state,
            duration,
            save_every=save_every,
            dt=dt,
            memory=memory,
            solver=solver or self.default_solver,
            schemes_called=schemes_called,
            args=args,
            start=start,
        )


def add(state: State, other: State) -> State:
    """The sum of two states or tendencies."""
    return jtu.tree_map(lambda x, y: x + y, state, other)


class _EveryStage(eqx.Module):
    model: AbstractModel
    start: float | Float[Array, ""]

    def __call__(self, t, state, args):
        tendency = self.model.dynamics_tendency(t + self.start, state, args)
        if not self.model.schemes:
            return tendency
        memory = self.model.initial_memory(state, args)
        return add(tendency, self.model.call_schemes(t + self.start, state, memory, args)[0])


class _HeldSchemes(eqx.Module):
    model: AbstractModel
    start: float | Float[Array, ""]

    def __call__(self, t, state, args):
        args, held = args
        return add(self.model.dynamics_tendency(t + self.start, state, args), held)


class _ShiftedSchemes(eqx.Module):
    model: AbstractModel
    start: float | Float[Array, ""]

    def __call__(self, t, state, memory, args):
        return self.model.call_schemes(t + self.start, state, memory, args)


class _ShiftedAdjustment(eqx.Module):
    model: AbstractModel
    start: float | Float[Array, ""]

    def __call__(self, t, dt, state, args):
        adjustment = self.model.adjustment
        return state if adjustment is None else adjustment(t + self.start, dt, state, args)

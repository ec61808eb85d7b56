import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import diffrax
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PyTree

from ..errors import ClosuraxError
from ..model import AbstractModel, OutputVariable
from ..scheme import AbstractScheme, Quantity, Slot
from .air import Air, make_air
from .case import (
    case_adjustments,
    case_condensate,
    case_levels,
    case_processes,
    case_profiles,
    case_scalar,
    case_surface,
    case_vertical_motion,
)
from .column_outputs import OUTPUT_VARIABLES, add_rates, level_coordinates
from .column_state import AMOUNT_NAMES, PROFILE_NAMES, ColumnState
from .condensate import AbstractCondensate, Reevaporated
from .convection import (
    MEAN_VERTICAL_VELOCITY,
    PROFILES,
    SCALARS,
    SURFACE,
    TENDENCIES,
    VERTICAL_VELOCITY,
)
from .levels import ColumnLevels
from .persistent_convection import ConvectiveMemory
from .process import AbstractAdjustment, AbstractProcess
from .surface import AbstractSurface
from .thermodynamics import exner_function
from .vertical_motion import VerticalMotion

_CONDENSATE = {
    "cloud_water_tendency": "cloud_water",
    "rain_water_tendency": "rain_water",
    "cloud_ice_tendency": "cloud_ice",
    "snow_tendency": "snow",
}
_DIAGNOSTICS = (
    "convection_class", "cloud_base_level", "cloud_top_level", "fallback", "envelope_score",
)  # fmt: skip

Profiles = Float[Array | np.ndarray, "*#member level"]


class AtmosphericColumn(AbstractModel):
    r"""A column of the atmosphere under a prescribed large-scale flow, with convection in it.

    $$\partial_t \phi = \sum_i P_i(t, \phi) + C(\phi),$$

    where the $P_i$ are the `processes` (advection, radiation, relaxation, surface fluxes) and $C$
    is what the scheme in the slot `convection` returns. At the end of each step the
    `adjustments` are applied one after the other (condensation, implicit diffusion). With the
    default solver, forward Euler with convection called once per step, this is the time-split
    step of operational models. `continuous` turns the adjustments into tendencies, for a solver
    of higher order.

    The slot `convection` gives a scheme the layers' state, the vertical velocity and the surface,
    and takes the tendencies and scalars that `closurax.physics.column.convection` lists, or some
    of them. A memoryless scheme is called anew in every step; `PersistentConvection` gives it the
    memory that convection has.
    """

    levels: ColumnLevels
    surface: AbstractSurface
    processes: tuple[AbstractProcess, ...] = ()
    adjustments: tuple[AbstractAdjustment, ...] = ()
    vertical_motion: VerticalMotion = VerticalMotion()
    condensate: AbstractCondensate = Reevaporated()
    grid_spacing: float = 25000.0
    """In m, for the convection."""
    time_step: float = 120.0
    """In s, for the convection; `run` sets it to its `dt`."""
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = {
        "convection": Slot(
            provides=(*PROFILES, VERTICAL_VELOCITY, MEAN_VERTICAL_VELOCITY, *SURFACE),
            accepts=(
                *TENDENCIES,
                *SCALARS,
                Quantity("scheme_called", "1"),
                Quantity("fallback", "1"),
                Quantity("envelope_score", "1"),
            ),
        )
    }
    output_variables: ClassVar[Mapping[str, OutputVariable]] = OUTPUT_VARIABLES

    @classmethod
    def from_case(cls, case: xr.Dataset) -> Self:
        """The column of a case, as `closurax.datasets.open_column_case` returns it.

        What the case prescribes becomes a process: see `closurax.physics.column.case` for the
        names. There is no convection in it yet: `replace(convection=...)`.

        Raises `DataError` if the case lacks a variable.
        """
        return cls(
            levels=case_levels(case),
            surface=case_surface(case),
            processes=case_processes(case),
            adjustments=case_adjustments(case),
            vertical_motion=case_vertical_motion(case),
            condensate=case_condensate(case),
            grid_spacing=case_scalar(case, "grid_spacing", 25000.0),
            time_step=case_scalar(case, "time_step", 120.0),
        )

    @property
    def state_shape(self) -> Any:
        profile, scalar = (self.levels.count,), ()
        return ColumnState._make([profile] * len(PROFILE_NAMES) + [scalar] * len(AMOUNT_NAMES))

    def initial_state(
        self,
        temperature: Profiles,
        vapour: Profiles,
        eastward_wind: Profiles | None = None,
        northward_wind: Profiles | None = None,
        **condensates: Profiles,
    ) -> ColumnState:
        """The state of given profiles, or of a batch of them with a leading member axis.

        **Arguments:**

        - `temperature`: in K, the lowest layer first.
        - `vapour`: mixing ratio in kg kg-1.
        - `eastward_wind`, `northward_wind`: in m s-1, by default zero.
        - `condensates`: `cloud_water`, `cloud_ice`, `rain_water`, `snow` in kg kg-1, by default
            zero.

        Raises `ClosuraxError` for another name.
        """
        unknown = sorted(set(condensates) - set(PROFILE_NAMES))
        if unknown:
            raise ClosuraxError(f"A column has no profiles {unknown}; it has {PROFILE_NAMES}.")
        temperature = jnp.asarray(temperature)
        given = dict(
            condensates,
            vapour=vapour,
            eastward_wind=eastward_wind,
            northward_wind=northward_wind,
        )
        profiles = {
            name: jnp.zeros_like(temperature)
            if given.get(name) is None
            else jnp.broadcast_to(jnp.asarray(given[name], temperature.dtype), temperature.shape)
            for name in PROFILE_NAMES[1:]
        }
        zero = jnp.zeros(temperature.shape[:-1], temperature.dtype)
        amounts = dict.fromkeys(AMOUNT_NAMES, zero)
        return ColumnState(temperature=temperature, **profiles, **amounts)

    def case_state(self, case: xr.Dataset) -> ColumnState:
        """The state that a case starts from, in jax's floating-point type."""
        return self.initial_state(**case_profiles(case))

    def continuous(self, time_scale: float = 60.0) -> Self:
        """This column with every adjustment made a tendency.

        **Arguments:**

        - `time_scale`: in s, within which that acts which has no rate of its own, such as
            condensation. The smaller it is, the closer it comes to the adjustment, and the
            stiffer the column becomes.
        """
        tendencies = tuple(each.as_process(time_scale) for each in self.adjustments)
        return dataclasses.replace(self, processes=self.processes + tendencies, adjustments=())

    def air(self, t, state: ColumnState) -> Air:
        """What the processes compute with, at the time `t` in s."""
        pressure, interfaces = self.levels(t, state.temperature.dtype)
        air = make_air(state, pressure, interfaces, self.vertical_motion.omega(t, interfaces))
        return air._replace(surface=self.surface(t, air))

    @property
    def default_solver(self) -> diffrax.AbstractSolver:
        return diffrax.Euler()

    @property
    def adjustment(self) -> Callable | None:
        return self._adjust if self.adjustments else None

    def _adjust(self, t, dt, state: ColumnState, args) -> ColumnState:
        for adjustment in self.adjustments:
            increments = adjustment(t, dt, self.air(t, state))
            state = state._replace(
                **{name: getattr(state, name) + value for name, value in increments.items()}
            )
        return state

    def with_time_step(self, dt: float) -> Self:
        return dataclasses.replace(self, time_step=dt)

    def diffrax_terms(self, explicit: Callable, dtype) -> diffrax.AbstractTerm:
        return diffrax.ODETerm(explicit)

    def dynamics_tendency(self, t, state: ColumnState, args) -> ColumnState:
        air = self.air(t, state)
        return _summed(state, [process(t, air) for process in self.processes])

    def scheme_inputs(self, t, state: ColumnState, names: frozenset[str], args) -> dict[str, Any]:
        air = self.air(t, state)
        dtype = state.temperature.dtype
        velocity = self.vertical_motion.vertical_velocity(t, air)
        surface = air.surface
        assert surface is not None
        known = {
            "air_pressure": air.pressure,
            "air_temperature": state.temperature,
            "vapour_mixing_ratio": state.vapour,
            "eastward_wind": state.eastward_wind,
            "northward_wind": state.northward_wind,
            "air_density": air.density,
            "layer_thickness": air.thickness,
            "vertical_velocity": velocity,
            "mean_vertical_velocity": 0.5 * (velocity[:-1] + velocity[1:]),
            "grid_spacing": jnp.asarray(self.grid_spacing, dtype),
            "time_step": jnp.asarray(self.time_step, dtype),
            "friction_velocity": surface.friction_velocity,
            "sensible_heat_flux": surface.sensible_heat_flux,
            "boundary_layer_height": surface.boundary_layer_height,
            "stability_parameter": surface.stability_parameter,
        }
        always = {"air_pressure", "air_temperature"}
        inputs = {name: value for name, value in known.items() if name in names | always}
        return {**inputs, "grid": self.levels}

    def state_tendency(
        self, slot: str, tendencies: Mapping[str, Array], inputs: Mapping[str, Any]
    ) -> ColumnState:
        temperature, exner = inputs["air_temperature"], exner_function(inputs["air_pressure"])
        one = jnp.ones((), temperature.dtype)
        direct = {
            "vapour": tendencies.get("vapour_tendency"),
            "eastward_wind": tendencies.get("eastward_wind_tendency"),
            "northward_wind": tendencies.get("northward_wind_tendency"),
            "convective_precipitation": tendencies.get("precipitation_rate"),
            "call_time": tendencies.get("scheme_called", one),
            "fallback_time": tendencies.get("fallback"),
        }
        returned = {name: value for name, value in direct.items() if value is not None}
        if "potential_temperature_tendency" in tendencies:
            returned["temperature"] = tendencies["potential_temperature_tendency"] * exner
        condensate = {
            field: tendencies[name] for name, field in _CONDENSATE.items() if name in tendencies
        }
        profile, scalar = jnp.zeros_like(temperature), jnp.zeros((), temperature.dtype)
        nothing = ColumnState(*(profile for _ in PROFILE_NAMES), *(scalar for _ in AMOUNT_NAMES))
        total = _summed(nothing, [returned, self.condensate(condensate, temperature)])
        return total._replace(
            convective_warming=total.temperature, convective_moistening=total.vapour
        )

    def outputs(self, t, state: ColumnState, memory: PyTree, args) -> dict[str, Array]:
        air = self.air(t, state)
        dtype = state.temperature.dtype
        return {
            "air_pressure": air.pressure,
            "air_temperature": state.temperature,
            "humidity_mixing_ratio": state.vapour,
            "cloud_liquid_water_mixing_ratio": state.cloud_water,
            "cloud_ice_mixing_ratio": state.cloud_ice,
            "rain_mixing_ratio": state.rain_water,
            "snow_mixing_ratio": state.snow,
            "eastward_wind": state.eastward_wind,
            "northward_wind": state.northward_wind,
            "convective_warming": state.convective_warming,
            "convective_moistening": state.convective_moistening,
            "upward_air_velocity": self.vertical_motion.vertical_velocity(t, air),
            "precipitable_water": jnp.sum(air.mass * state.vapour),
            **{name: getattr(state, name) for name in AMOUNT_NAMES},
            "remaining_lifetime": _remaining_lifetime(memory, dtype),
            **self._convection_now(t, state, memory, args),
        }

    def _convection_now(self, t, state: ColumnState, memory: PyTree, args) -> dict[str, Array]:
        """What convection will do in the step that starts now."""
        dtype = state.temperature.dtype
        if "convection" not in self.schemes:
            none = {"convection_class": 0, "cloud_top_level": 1}
            none["cloud_base_level"] = self.levels.count + 1
            return {name: jnp.asarray(value, dtype) for name, value in none.items()}
        scheme = self.schemes["convection"]
        names = frozenset(quantity.name for quantity in scheme.reads)
        inputs = self.scheme_inputs(t, state, names, args)
        carry = scheme.initial_carry(inputs) if memory is None else memory["convection"]
        returned, _ = scheme(inputs, carry)
        return {name: returned[name] for name in _DIAGNOSTICS if name in returned}

    def derived_outputs(self, dataset: xr.Dataset) -> xr.Dataset:
        return add_rates(dataset)

    def coordinates(self) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
        return level_coordinates(self.levels.count)


def _summed(state: ColumnState, parts: list[dict[str, Array]]) -> ColumnState:
    total = {name: jnp.zeros_like(value) for name, value in state._asdict().items()}
    for part in parts:
        for name, value in part.items():
            total[name] = total[name] + value
    return ColumnState(**total)


def _remaining_lifetime(memory: PyTree, dtype) -> Float[Array, ""]:
    leaves = jtu.tree_leaves(memory, is_leaf=lambda leaf: isinstance(leaf, ConvectiveMemory))
    lifetimes = [leaf.remaining_lifetime for leaf in leaves if isinstance(leaf, ConvectiveMemory)]
    return jnp.max(jnp.stack([*lifetimes, jnp.zeros((), dtype)]))

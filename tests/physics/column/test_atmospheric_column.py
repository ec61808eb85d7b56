import dataclasses

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array, Float

from closurax.datasets import bomex
from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.column import (
    AbstractConvection,
    AtmosphericColumn,
    ColumnState,
    PersistentConvection,
    Prognostic,
    RecordedConvection,
    Reevaporated,
    thermodynamics as thermo,
)
from closurax.physics.coupling import Scaled
from closurax.physics.errors import BlowUpError, ClosuraxError, DataError, SchemeMismatchError
from closurax.physics.solvers import OncePerStep

CASE = bomex(np.linspace(0.0, 3000.0, 13))
COLUMN = AtmosphericColumn.from_case(CASE)
RUN = dict(save_every=300.0, dt=60.0, progress=False)


class Drying(AbstractConvection):
    """Rains out vapour above half saturation within a time scale, more so where air rises."""

    rate: float | Float[Array, ""] = 1e-4
    lifetime: float = 0.0

    def tendencies(self, inputs):
        pressure, temperature = inputs["air_pressure"], inputs["air_temperature"]
        vapour = inputs["vapour_mixing_ratio"]
        excess = jnp.maximum(
            vapour - 0.5 * thermo.saturation_mixing_ratio(pressure, temperature), 0
        )
        drying = self.rate * (1 + jnp.tanh(inputs["mean_vertical_velocity"])) * excess
        heating = thermo.latent_heat_of_vaporisation(temperature) / thermo.HEAT_CAPACITY * drying
        zero, scalar = jnp.zeros_like(vapour), jnp.zeros((), vapour.dtype)
        mass = inputs["air_density"] * inputs["layer_thickness"]
        returned = {q.name: zero if "tendency" in q.name else scalar for q in self.returns}
        return {
            **returned,
            "potential_temperature_tendency": heating / thermo.exner_function(pressure),
            "vapour_tendency": -drying,
            "precipitation_rate": jnp.sum(mass * drying),
            "convective_lifetime": scalar + self.lifetime,
            "convection_class": scalar + 1,
            "cloud_base_level": scalar + 2,
            "cloud_top_level": scalar + 9,
        }


class Guarded(AbstractMemorylessScheme):
    """A little rain, and the diagnostics of a guard."""

    reads = (Quantity("air_temperature", "K"),)
    returns = (
        Quantity("precipitation_rate", "kg m-2 s-1"),
        Quantity("fallback", "1"),
        Quantity("envelope_score", "1"),
    )

    def tendencies(self, inputs):
        one = jnp.ones_like(inputs["air_temperature"][0])
        return {"precipitation_rate": 1e-4 * one, "fallback": one, "envelope_score": 2.5 * one}


def states(count=3):
    state = COLUMN.case_state(CASE)
    warmer = jnp.linspace(0, 0.5, count, dtype=state.temperature.dtype)[:, None]
    return COLUMN.initial_state(
        temperature=state.temperature[None] + warmer,
        vapour=state.vapour,
        eastward_wind=state.eastward_wind,
        northward_wind=state.northward_wind,
    )


@pytest.fixture(scope="module")
def dataset():
    model = COLUMN.replace(convection=PersistentConvection(Drying(lifetime=180.0)))
    return model.run(states(), 1800.0, **RUN, attrs={"experiment": "test"})


def test_dataset_is_labelled(dataset, tmp_path):
    assert dict(dataset.sizes) == {"member": 3, "time": 7, "level": 12, "level_w": 13}
    standard = {
        "air_temperature": "K",
        "humidity_mixing_ratio": "kg kg-1",
        "air_pressure": "Pa",
        "eastward_wind": "m s-1",
        "upward_air_velocity": "m s-1",
        "cloud_liquid_water_mixing_ratio": "kg kg-1",
    }
    for name, units in standard.items():
        assert dataset[name].attrs["units"] == units
        assert dataset[name].attrs["standard_name"] == name
        assert dataset[name].dtype == np.float32
    for name in ("precipitation_rate", "convective_precipitation_rate"):
        assert dataset[name].dims == ("member", "time")
        assert dataset[name].attrs["units"] == "kg m-2 s-1"
    assert dataset["precipitable_water"].attrs["units"] == "kg m-2"
    assert all("long_name" in dataset[name].attrs for name in dataset.variables)
    assert dataset.attrs["experiment"] == "test" and "Drying" in dataset.attrs["model"]
    assert "fallback" not in dataset
    dataset.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", decode_timedelta=False) as back:
        xr.testing.assert_identical(back.load(), dataset)


def test_convection_is_seen_in_the_outputs(dataset):
    assert (dataset["convection_class"] == 1).all()
    assert (dataset["cloud_base_level"] == 2).all() and (dataset["cloud_top_level"] == 9).all()
    # Called at every third of the steps, of which five lie between saves.
    np.testing.assert_allclose(dataset["call_fraction"][0, 1:], [0.4, 0.4, 0.2, 0.4, 0.4, 0.2])
    np.testing.assert_allclose(dataset["remaining_lifetime"][0, :3], [0, 60, 120])
    rain = dataset["convective_precipitation"]
    assert (rain.diff("time") > 0).all()
    rate = dataset["convective_precipitation_rate"]
    assert np.isnan(rate[:, 0]).all()
    np.testing.assert_allclose(rate[:, 1:], rain.diff("time") / 300, rtol=1e-6)


def test_a_single_run_equals_the_member(dataset):
    model = COLUMN.replace(convection=PersistentConvection(Drying(lifetime=180.0)))
    member = jax.tree_util.tree_map(lambda leaf: leaf[1], states())
    single = model.run(member, 1800.0, **RUN)
    assert single["air_temperature"].dims == ("time", "level")
    for name in ("air_temperature", "humidity_mixing_ratio", "convective_precipitation"):
        np.testing.assert_allclose(single[name], dataset[name].isel(member=1), rtol=1e-6)


def test_saving_more_often_does_not_change_the_run(dataset):
    model = COLUMN.replace(convection=PersistentConvection(Drying(lifetime=180.0)))
    often = model.run(states(), 1800.0, save_every=60.0, dt=60.0, progress=False)
    for name in ("air_temperature", "convective_precipitation"):
        np.testing.assert_allclose(
            often[name].isel(time=-1), dataset[name].isel(time=-1), rtol=1e-6
        )
    assert set(np.unique(often["call_fraction"][:, 1:])) == {0.0, 1.0}


def test_without_convection(dataset):
    empty = COLUMN.replace(convection=None).run(states(), 1800.0, **RUN)
    assert not empty["convection_class"].any() and not empty["convective_precipitation"].any()
    assert (empty["cloud_base_level"] == 13).all() and (empty["cloud_top_level"] == 1).all()
    assert not empty["call_fraction"][:, 1:].any()
    difference = empty["precipitable_water"] - dataset["precipitable_water"]
    np.testing.assert_allclose(
        difference[:, -1], dataset["convective_precipitation"][:, -1], rtol=0.05
    )


def test_a_memoryless_scheme_is_called_anew_in_every_step():
    """It equals one whose convection lives for less than a step and has no running mean."""
    member = COLUMN.case_state(CASE)
    fresh = COLUMN.replace(convection=Drying()).run(member, 600.0, **RUN)
    interval = PersistentConvection(Drying(lifetime=60.0), call_interval=60.0)
    persistent = COLUMN.replace(convection=interval).run(member, 600.0, **RUN)
    np.testing.assert_array_equal(fresh["call_fraction"][1:], 1)
    # The running mean starts from zero, so the first steps differ a little.
    np.testing.assert_allclose(
        fresh["air_temperature"][-1], persistent["air_temperature"][-1], atol=1e-3
    )
    assert not fresh["remaining_lifetime"].any()


def test_diagnostics_of_a_guard_are_saved():
    run = COLUMN.replace(convection=Guarded()).run(COLUMN.case_state(CASE), 600.0, **RUN)
    assert (run["fallback"] == 1).all() and (run["envelope_score"] == 2.5).all()
    np.testing.assert_allclose(run["fallback_fraction"][1:], 1)
    np.testing.assert_allclose(run["convective_precipitation"][-1], 0.06, rtol=1e-5)
    assert "convection_class" not in run


def test_wrappers_fit():
    member = COLUMN.case_state(CASE)
    whole = COLUMN.replace(convection=Drying()).run(member, 60.0, save_every=60.0, dt=60.0)
    half = COLUMN.replace(convection=Scaled(Drying(), 0.5)).run(
        member, 60.0, save_every=60.0, dt=60.0
    )
    rain = [float(run["convective_precipitation"][-1]) for run in (whole, half)]
    np.testing.assert_allclose(rain[1], rain[0] / 2, rtol=1e-6)


def test_a_scheme_for_something_else_is_refused():
    class Wrong(Guarded):
        reads = (Quantity("air_temperature", "degC"),)

    with pytest.raises(SchemeMismatchError, match="'air_temperature' in 'degC'"):
        COLUMN.replace(convection=Wrong())
    with pytest.raises(SchemeMismatchError, match="no slot"):
        COLUMN.replace(radiation=Guarded())
    with pytest.raises(SchemeMismatchError, match=r"not \['tendency_of_rain'\]"):
        RecordedConvection({"tendency_of_rain": np.zeros(3)})


def test_the_scheme_is_told_the_step_of_the_run():
    class Clock(Guarded):
        reads = (Quantity("air_temperature", "K"), Quantity("time_step", "s"))

        def tendencies(self, inputs):
            returned = super().tendencies(inputs)
            return {**returned, "envelope_score": inputs["time_step"]}

    model = dataclasses.replace(COLUMN, time_step=999.0).replace(convection=Clock())
    run = model.run(COLUMN.case_state(CASE), 300.0, **RUN)
    assert (run["envelope_score"] == 60).all()


def test_condensate_is_conserved(x64):
    """Both ways of keeping condensate conserve water; one of them cools by evaporation."""
    temperature = jnp.asarray([290.0, 270.0])
    condensate = {"cloud_water": jnp.asarray([1e-6, 0]), "snow": jnp.asarray([2e-6, 1e-6])}
    evaporated = Reevaporated()(condensate, temperature)
    np.testing.assert_allclose(evaporated["vapour"], [3e-6, 1e-6])
    latent_heat = thermo.latent_heat_of_vaporisation(temperature)
    enthalpy = 1004.5 * evaporated["temperature"] + latent_heat * evaporated["vapour"]
    np.testing.assert_allclose(enthalpy, 0, atol=1e-12)
    assert Prognostic()(condensate, temperature).keys() == condensate.keys()
    assert Reevaporated()({}, temperature) == {}


def test_water_budget_of_bomex(x64):
    """Evaporation, advection and rain make up for the change of water in the column."""
    state = COLUMN.case_state(CASE)
    state = state._replace(vapour=state.vapour.at[4].multiply(1.5))
    states, _ = COLUMN.trajectory(state, 1200.0, save_every=60.0, dt=60.0)

    @jax.jit
    @jax.vmap
    def gained(now, time):
        air = COLUMN.air(time, now)
        total = COLUMN.dynamics_tendency(time, now, None)
        water = sum(getattr(total, name) for name in WATER)
        return jnp.sum(air.mass * water) + total.grid_scale_precipitation

    mass = COLUMN.air(0.0, state).mass
    water = sum(getattr(states, name) for name in WATER) @ mass + states.grid_scale_precipitation
    before = jax.tree_util.tree_map(lambda leaf: leaf[:-1], states)
    change = 60 * gained(before, 60.0 * jnp.arange(20.0))
    np.testing.assert_allclose(jnp.diff(water), change, rtol=1e-6, atol=1e-9)
    assert float(jnp.max(states.cloud_water)) > 1e-5


WATER = ("vapour", "cloud_water", "cloud_ice", "rain_water", "snow")


class Explosion(Guarded):
    returns = (Quantity("eastward_wind_tendency", "m s-2"),)

    def tendencies(self, inputs):
        return {"eastward_wind_tendency": jnp.full_like(inputs["air_temperature"], 5e35)}


def test_blow_up_names_the_step_and_the_field():
    quiet = dataclasses.replace(COLUMN, processes=(), adjustments=COLUMN.adjustments[1:])
    model = quiet.replace(convection=Explosion())
    with pytest.raises(
        BlowUpError, match=r"member 0 at step 2 after t = 600 s .* in \['eastward_wind'\]"
    ) as caught:
        # 3e37 m s-1 in each step of 60 s; the largest number is 3.4e38.
        model.run(COLUMN.case_state(CASE), 3000.0, **RUN)
    assert caught.value.partial.sizes["time"] == 3
    run = model.run(states(2), 3000.0, **RUN, throw=False)
    assert (run["blow_up_time"] == 720).all()


def test_bad_states_are_refused():
    state = COLUMN.case_state(CASE)
    with pytest.raises(ClosuraxError, match="initial_state"):
        COLUMN.run(state._replace(vapour=state.vapour[:-1]), 600.0, **RUN)
    with pytest.raises(ClosuraxError, match="initial_state"):
        COLUMN.run(state._replace(vapour=state.vapour[None]), 600.0, **RUN)
    with pytest.raises(ClosuraxError, match="but the model's is"):
        COLUMN.run(state.temperature, 600.0, **RUN)
    with pytest.raises(ClosuraxError, match="not finite"):
        COLUMN.run(state._replace(vapour=state.vapour.at[3].set(jnp.nan)), 600.0, **RUN)
    with pytest.raises(ClosuraxError, match="adjusts its state at the end of each step"):
        COLUMN.run(state, 600.0, **RUN, schemes_called="every stage")
    with pytest.raises(ClosuraxError, match=r"no profiles \['cloud_wter'\]"):
        COLUMN.initial_state(state.temperature, state.vapour, cloud_wter=state.vapour)
    with pytest.raises(ClosuraxError, match="`vmap` over it"):
        COLUMN.trajectory(states(), 600.0, save_every=300.0, dt=60.0)


def test_a_case_without_a_variable_is_refused():
    with pytest.raises(DataError, match="no variable 'interface_pressure'"):
        AtmosphericColumn.from_case(CASE.drop_vars("interface_pressure"))
    with pytest.raises(DataError, match="'boundary_layer' of the case is 'thick'"):
        AtmosphericColumn.from_case(CASE.assign_attrs(boundary_layer="thick"))


def test_trajectory_equals_the_run():
    model = COLUMN.replace(convection=PersistentConvection(Drying(lifetime=180.0)))
    state = COLUMN.case_state(CASE)
    run = model.run(state, 1800.0, **RUN)
    states, memory = eqx.filter_jit(model.trajectory)(state, 1800.0, save_every=300.0, dt=60.0)
    np.testing.assert_allclose(states.temperature, run["air_temperature"], rtol=1e-6)
    np.testing.assert_allclose(
        memory["convection"].remaining_lifetime, run["remaining_lifetime"][-1]
    )
    # Going on from the memory is the uninterrupted run.
    first, memory = model.trajectory(state, 900.0, save_every=300.0, dt=60.0)
    last = jax.tree_util.tree_map(lambda leaf: leaf[-1], first)
    second, _ = model.trajectory(last, 900.0, save_every=300.0, dt=60.0, memory=memory, start=900.0)
    np.testing.assert_allclose(second.temperature[-1], states.temperature[-1], rtol=1e-6)


@pytest.mark.parametrize("persistent", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_gradient_of_the_rain(x64, persistent):
    """Of the rain of two hours with respect to a parameter of the scheme."""
    state = COLUMN.case_state(CASE)

    def rain(rate):
        scheme = Drying(rate, lifetime=240.0)
        model = COLUMN.replace(convection=PersistentConvection(scheme) if persistent else scheme)
        states, _ = model.trajectory(state, 7200.0, save_every=1800.0, dt=60.0)
        return states.convective_precipitation[-1] + states.grid_scale_precipitation[-1]

    rate, step, compiled = jnp.asarray(1e-4), 1e-8, jax.jit(rain)
    value, gradient = jax.value_and_grad(compiled)(rate)
    difference = (compiled(rate + step) - compiled(rate - step)) / (2 * step)
    assert value > 0.1
    np.testing.assert_allclose(gradient, difference, rtol=1e-6)


def test_adaptive_steps_and_other_solvers():
    smooth = COLUMN.continuous()
    control = diffrax.PIDController(rtol=1e-4, atol=1e-4, dtmax=20.0)
    with pytest.raises(ClosuraxError, match="either `dt` or `step_control`"):
        smooth.run(COLUMN.case_state(CASE), 600.0, **RUN, step_control=control)
    run = smooth.run(
        COLUMN.case_state(CASE), 600.0, save_every=300.0, dt=15.0, solver=diffrax.Tsit5(),
        progress=False,
    )  # fmt: skip
    split = COLUMN.run(COLUMN.case_state(CASE), 600.0, **RUN)
    np.testing.assert_allclose(run["air_temperature"], split["air_temperature"], atol=0.1)
    held = smooth.run(
        COLUMN.case_state(CASE), 600.0, save_every=300.0, dt=15.0,
        solver=OncePerStep(diffrax.Heun()), progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(held["air_temperature"], run["air_temperature"], atol=2e-3)


def test_the_state_is_a_pytree_of_named_fields():
    state = COLUMN.case_state(CASE)
    assert isinstance(state, ColumnState) and state.temperature.shape == (12,)
    assert COLUMN.state_shape.vapour == (12,) and COLUMN.state_shape.call_time == ()
    assert state.temperature.dtype == jnp.float32

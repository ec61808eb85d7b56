"""Convection schemes that wrap convection schemes, and the corrections that they use."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from closurax.physics.column import PersistentConvection
from closurax.physics.column.conservation import (
    CONDENSATES,
    MOMENTUM,
    close_momentum,
    close_water,
    enthalpy_budget,
    keep_vapour,
    layer_mass,
    momentum_budget,
    water_budget,
)
from closurax.physics.column.convection import SCALARS, TENDENCIES, AbstractConvection
from closurax.physics.coupling import (
    AbstractEnvelope,
    ConservativeConvection,
    GuardedConvection,
    LimitedConvection,
)
from closurax.physics.errors import ClosuraxError

LEVELS = 5
NAMES = [name for name, _ in TENDENCIES]
HEATING = "potential_temperature_tendency"

profiles = arrays(
    np.float32, LEVELS, elements=st.floats(-1, 1, width=32).map(lambda x: x if abs(x) > 1e-3 else 0)
)


def column():
    temperature = jnp.linspace(300.0, 220.0, LEVELS)
    pressure = jnp.linspace(98e3, 20e3, LEVELS)
    return {
        "air_pressure": pressure,
        "air_temperature": temperature,
        "vapour_mixing_ratio": jnp.array([1.4e-2, 8e-3, 2e-3, 4e-4, 1e-5]),
        "air_density": pressure / (287 * temperature),
        "layer_thickness": jnp.array([300.0, 600.0, 1200.0, 2000.0, 3000.0]),
        "time_step": jnp.array(60.0),
    }


def outputs_with(tendencies, rain=1e-4):
    """A column of outputs; `tendencies` gives some of the profiles, the others are zero."""
    zero = jnp.zeros(LEVELS)
    return {name: jnp.asarray(tendencies.get(name, zero)) for name in NAMES} | {
        "precipitation_rate": jnp.asarray(rain, "float32"),
        "convective_lifetime": jnp.array(1800.0),
        "convection_class": jnp.array(1.0),
        "cloud_base_level": jnp.array(2.0),
        "cloud_top_level": jnp.array(4.0),
    }


class Constant(AbstractConvection):
    """Returns the same in all columns."""

    outputs: dict[str, jax.Array]

    def tendencies(self, inputs):
        return dict(self.outputs)


class Score(AbstractEnvelope):
    score: float

    def __call__(self, inputs):
        return jnp.asarray(self.score, inputs["air_temperature"].dtype)


def in_double(data):
    return {name: np.asarray(value, float) for name, value in data.items()}


# --- conservation --------------------------------------------------------------------------------


@given(vapour=profiles, water=profiles, ice=profiles, rain=st.floats(0, 1, width=32))
def test_water_closes(vapour, water, ice, rain):
    tendencies = {
        "vapour_tendency": 1e-7 * vapour,
        "cloud_water_tendency": 1e-8 * water,
        "snow_tendency": 1e-8 * ice,
    }
    outputs, inputs = outputs_with(tendencies, rain=1e-3 * rain), column()
    closed = close_water(outputs, inputs)
    found, mass = in_double(closed), np.asarray(layer_mass(inputs), float)
    total = mass @ sum(found[name] for name in ("vapour_tendency", *CONDENSATES))
    gross = sum(mass @ abs(found[name]) for name in ("vapour_tendency", *CONDENSATES))
    assert abs(total + found["precipitation_rate"]) <= 1e-6 * (gross + found["precipitation_rate"])
    # Nothing appears where there was nothing, and of the rest nothing is lost.
    assert (found["vapour_tendency"][vapour == 0] == 0).all()
    if (vapour != 0).any():
        for name in (*CONDENSATES, "precipitation_rate"):
            np.testing.assert_array_equal(closed[name], outputs[name])
    else:
        assert found["precipitation_rate"] == 0 and gross == 0


def test_water_is_corrected_by_a_projection():
    inputs = column()
    outputs = outputs_with({"vapour_tendency": jnp.array([-4e-8, 1e-8, 0, -2e-8, 0])})
    residual, _ = water_budget(outputs, inputs)
    vapour, mass = in_double(outputs)["vapour_tendency"], in_double({"m": layer_mass(inputs)})["m"]
    share = mass * np.asarray(inputs["vapour_mixing_ratio"], float) ** 2 * (vapour != 0)
    expected = vapour - float(residual) * share / (mass @ share)
    found = close_water(outputs, inputs)["vapour_tendency"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@given(vapour=profiles, wind=profiles, truth=profiles)
def test_corrections_go_no_further_away_from_what_closes(vapour, wind, truth):
    """In the norm of the projection, and where the scheme and the truth act on the same levels."""
    inputs = column()
    acts = (vapour != 0) & (wind != 0) & (truth != 0)
    vapour, wind, truth = (1e-7 * part * acts for part in (vapour, wind, truth))
    names = ("vapour_tendency", MOMENTUM[0])
    exact = outputs_with(dict.fromkeys(names, truth), rain=1e-4 * float(acts.any()))
    exact = close_momentum(close_water(exact, inputs), inputs)
    guess = {**exact, "vapour_tendency": jnp.asarray(vapour), MOMENTUM[0]: jnp.asarray(wind)}
    closed = close_momentum(close_water(guess, inputs), inputs)
    units = {"vapour_tendency": np.asarray(inputs["vapour_mixing_ratio"]), MOMENTUM[0]: 1.0}
    for name in names:

        def distance(outputs, name=name):
            difference = np.asarray(outputs[name], float) - np.asarray(exact[name], float)
            return np.linalg.norm(difference / units[name])

        scale = np.linalg.norm(np.asarray(exact[name], float) / units[name])
        assert distance(closed) <= distance(guess) * (1 + 1e-5) + 1e-5 * scale


def test_what_closes_stays():
    inputs = column()
    outputs = close_water(
        outputs_with({"vapour_tendency": jnp.array([-4e-8, 1e-8, 0, -2e-8, 0])}), inputs
    )
    again = close_water(outputs, inputs)
    for name in outputs:
        np.testing.assert_allclose(again[name], outputs[name], rtol=1e-6)


@given(wind=profiles)
def test_momentum_closes(wind):
    inputs = column()
    outputs = outputs_with({MOMENTUM[0]: 1e-4 * wind, MOMENTUM[1]: -1e-3 * wind[::-1].copy()})
    closed = close_momentum(outputs, inputs)
    mass = np.asarray(layer_mass(inputs), float)
    for name, before in ((MOMENTUM[0], wind), (MOMENTUM[1], wind[::-1])):
        exchange = mass * np.asarray(closed[name], float)
        gross_before = (mass * abs(np.asarray(outputs[name], float))).sum()
        # A single layer has nothing to exchange with: rounding is all that remains.
        rounding = 1e-9 * gross_before
        assert abs(exchange.sum()) <= 1e-6 * abs(exchange).sum() + rounding
        assert (exchange[before == 0] == 0).all()
        if np.count_nonzero(before) == 1:
            assert abs(exchange).sum() <= rounding
    sums, gross = momentum_budget(closed, inputs)
    _, gross_before = momentum_budget(outputs, inputs)
    assert (jnp.abs(sums) <= 2e-6 * gross + 1e-8 * gross_before).all()


@pytest.mark.parametrize("strength", [1.0, 1e3, 1e9])
def test_vapour_is_kept(strength):
    inputs = column()
    vapour = strength * jnp.array([-4e-8, 1e-8, 0, -2e-8, -1e-9])
    outputs = outputs_with({"vapour_tendency": vapour, HEATING: jnp.full(LEVELS, 1e-3)})
    kept = keep_vapour(outputs, inputs)
    after = inputs["vapour_mixing_ratio"] + inputs["time_step"] * kept["vapour_tendency"]
    assert (after >= 0).all()
    factor = float(kept["precipitation_rate"] / outputs["precipitation_rate"])
    for name in ("vapour_tendency", HEATING):
        np.testing.assert_allclose(kept[name], factor * outputs[name], rtol=1e-6)
    if strength == 1:
        assert factor == 1
    else:
        # As much as possible: the emptiest layer is empty.
        np.testing.assert_allclose(jnp.min(after / inputs["vapour_mixing_ratio"]), 0, atol=1e-5)


def test_heating_by_condensation_closes_enthalpy():
    inputs = column()
    condensed = jnp.array([0, 2e-8, 5e-8, 1e-8, 0])
    latent_heat = 3.15e6 - 2370 * inputs["air_temperature"]
    exner = (inputs["air_pressure"] / 1e5) ** (287 / 1004.5)
    outputs = outputs_with(
        {
            "vapour_tendency": -condensed,
            "cloud_water_tendency": 0.5 * condensed,
            "snow_tendency": 0.5 * condensed,
            HEATING: (latent_heat + 0.5 * 3.339e5) * condensed / 1004.5 / exner,
        }
    )
    residual, gross = enthalpy_budget(outputs, inputs)
    assert gross > 10  # W m-2
    assert abs(residual) < 1e-5 * gross
    warmer = {**outputs, HEATING: 1.1 * outputs[HEATING]}
    residual, gross = enthalpy_budget(warmer, inputs)
    np.testing.assert_allclose(residual / gross, 1 - 1 / 1.1, rtol=1e-4)


@pytest.mark.parametrize("correct", [close_water, close_momentum, keep_vapour])
def test_gradients_of_corrections(correct, x64):
    inputs = {name: value.astype("float64") for name, value in column().items()}
    vapour = 1e-2 * jnp.array([-4.0, 1.0, 0.5, -2.0, -0.3])
    tendencies = {name: vapour * (1 + i) for i, name in enumerate(NAMES)}

    def value(step):
        moved = {name: v + step * jnp.cos(v) for name, v in tendencies.items()}
        outputs = outputs_with(moved, rain=0.1)
        outputs = {name: value.astype("float64") for name, value in outputs.items()}
        corrected = correct(outputs, inputs)
        return sum(jnp.sum(jnp.sin(v)) for v in corrected.values())

    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(value)(0.0), slope, rtol=1e-6)


@pytest.mark.parametrize("correct", [close_water, close_momentum, keep_vapour])
def test_gradients_where_nothing_happens_are_finite(correct):
    inputs = column()
    outputs = outputs_with({}, rain=0.0)

    def value(outputs):
        return sum(jnp.sum(v) for v in correct(outputs, inputs).values())

    gradient = jax.grad(value)(outputs)
    assert all(jnp.isfinite(v).all() for v in gradient.values())


# --- wrappers ------------------------------------------------------------------------------------


def test_conservative_convection():
    inputs = column()
    vapour = jnp.array([-4e-4, 1e-4, 0, -2e-4, 0])
    wind = {name: jnp.array([1e-4, -3e-4, 0, 0, 2e-4]) for name in MOMENTUM}
    scheme = ConservativeConvection(Constant(outputs_with({"vapour_tendency": vapour} | wind)))
    outputs = scheme.tendencies(inputs)
    water, gross = water_budget(outputs, inputs)
    assert gross > 0 and abs(water) < 1e-6 * gross
    momentum, gross = momentum_budget(outputs, inputs)
    assert (gross > 0).all() and (jnp.abs(momentum) < 1e-6 * gross).all()
    after = inputs["vapour_mixing_ratio"] + inputs["time_step"] * outputs["vapour_tendency"]
    assert (after >= 0).all()
    assert scheme.returns == (*TENDENCIES, *SCALARS)


@pytest.mark.parametrize("fastest", [0.01, 0.05])
def test_limited_convection(fastest):
    heating = fastest * jnp.array([-1.0, 0.5, 0.2, 0, 0])
    before = outputs_with({HEATING: heating, "vapour_tendency": jnp.full(LEVELS, 1e-7)})
    after = LimitedConvection(Constant(before), heating_limit=0.02).tendencies(column())
    factor = min(1, 0.02 / fastest)
    for name in (*NAMES, "precipitation_rate"):
        np.testing.assert_allclose(after[name], factor * before[name], rtol=1e-6)
    for name in ("convective_lifetime", "convection_class", "cloud_top_level"):
        assert after[name] == before[name]


LEARNED = outputs_with({HEATING: jnp.full(LEVELS, 1e-3)}, rain=1e-4)
PHYSICAL = outputs_with({HEATING: jnp.full(LEVELS, 2e-3)}, rain=2e-4)


def guarded(score=0.5, **changes):
    return GuardedConvection(Constant({**LEARNED, **changes}), Constant(PHYSICAL), Score(score))


def check_guard(guard, uses_fallback):
    outputs = eqx.filter_jit(guard.tendencies)(column())
    expected = PHYSICAL if uses_fallback else LEARNED
    assert outputs["fallback"] == float(uses_fallback)
    for name in (HEATING, "precipitation_rate"):
        np.testing.assert_array_equal(outputs[name], expected[name])
    assert set(outputs) == {quantity.name for quantity in guard.returns}


@pytest.mark.parametrize(
    "score, uses_fallback",
    [(0.5, False), (1.0, False), (1.01, True), (np.inf, True), (np.nan, True)],
)
def test_guard_by_score(score, uses_fallback):
    guard = guarded(score)
    check_guard(guard, uses_fallback)
    np.testing.assert_equal(float(guard.tendencies(column())["envelope_score"]), np.float32(score))


@pytest.mark.parametrize(
    "changes",
    [
        {"vapour_tendency": jnp.array([0, 0, jnp.nan, 0, 0])},
        {"convective_lifetime": jnp.array(jnp.inf)},
        {HEATING: jnp.array([0, 0, -0.021, 0, 0])},
        {"vapour_tendency": jnp.array([0, 0, 0, 0, -1e-5 / 59])},
        {"precipitation_rate": jnp.array(-1e-9)},
    ],
    ids=["NaN", "infinite lifetime", "too cold too fast", "more vapour than there is", "rain up"],
)
def test_guard_by_what_the_scheme_returns(changes):
    check_guard(guarded(0.5, **changes), True)


def test_guard_leaves_alone_what_is_just_allowed():
    vapour = jnp.array([0, 0, 0, 0, -1e-5 / 61])
    outputs = guarded(0.5, vapour_tendency=vapour).tendencies(column())
    assert outputs["fallback"] == 0


def test_guard_of_many_columns():
    class Temperature(AbstractEnvelope):
        def __call__(self, inputs):
            return inputs["air_temperature"][0] / 300

    guard = GuardedConvection(Constant(LEARNED), Constant(PHYSICAL), Temperature())
    columns = {name: jnp.stack([value, value]) for name, value in column().items()}
    columns["air_temperature"] = columns["air_temperature"] + jnp.array([[-1.0], [1.0]])
    outputs = jax.vmap(guard.tendencies)(columns)
    np.testing.assert_array_equal(outputs["fallback"], [0, 1])
    np.testing.assert_allclose(outputs["precipitation_rate"], [1e-4, 2e-4])


def test_guard_takes_a_fallback_that_counts_levels_in_integers():
    physical = {**PHYSICAL, "cloud_top_level": jnp.array(4), "convection_class": jnp.array(1)}
    outputs = GuardedConvection(Constant(LEARNED), Constant(physical), Score(2.0)).tendencies(
        column()
    )
    assert outputs["cloud_top_level"].dtype == jnp.float32 and outputs["cloud_top_level"] == 4


def test_guard_with_memory():
    inputs = {**column(), "vertical_velocity": jnp.zeros(LEVELS + 1)}
    scheme = PersistentConvection(guarded(2.0))
    carry = scheme.initial_carry(inputs)
    for called in (1, 0):
        outputs, carry = scheme(inputs, carry)
        assert outputs["scheme_called"] == called
        assert outputs["fallback"] == 1 and outputs["envelope_score"] == 2
        np.testing.assert_array_equal(outputs[HEATING], PHYSICAL[HEATING])
    assert {q.name for q in scheme.returns} == set(outputs)


@pytest.mark.parametrize(
    "build, said",
    [
        (lambda scheme: GuardedConvection(scheme, scheme, Score(1.0), threshold=0.0), "threshold"),
        (lambda scheme: GuardedConvection(scheme, scheme, Score(1.0), heating_limit=-1.0), "limit"),
        (lambda scheme: LimitedConvection(scheme, 0.0), "limit"),
    ],
)
def test_refuses_limits_that_are_not_positive(build, said):
    with pytest.raises(ClosuraxError, match=said):
        build(Constant(LEARNED))

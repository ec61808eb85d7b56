"""Ensembles and the envelope of the training."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.column.convection import TENDENCIES
from closurax.physics.coupling import GuardedConvection
from closurax.physics.errors import ClosuraxError
from closurax.surrogates.columns import (
    ClassMeanConvection,
    ColumnFeatures,
    ConvectionNetwork,
    DenseNetwork,
    EnsembleConvection,
    EnvelopeScore,
    TendencyScaling,
    convection_outputs,
    convection_scores,
)

SPREAD = [*(name for name, _ in TENDENCIES), "precipitation_rate"]


@pytest.fixture
def member(columns):
    """A function that returns a scheme with a random network."""
    inputs, targets = columns()
    features = ColumnFeatures.fit(inputs)
    mass = inputs["air_density"] * inputs["layer_thickness"]
    scaling = TendencyScaling.fit(targets, np.full(len(mass), 3600.0), mass)

    def make(seed, width=7):
        sizes = features.levels, features.channels, features.scalars
        network = DenseNetwork(*sizes, width, 1, key=jax.random.key(seed))
        network = eqx.tree_at(lambda n: n.exit.weight, network, 5 * network.exit.weight)
        return ConvectionNetwork(features, network, scaling)

    return make


@pytest.fixture
def ensemble(member):
    return EnsembleConvection.of([member(seed) for seed in range(4)])


def one(data, index=0):
    return {name: jnp.asarray(value[index]) for name, value in data.items()}


def test_predictions_are_those_of_the_members(ensemble, member, columns):
    inputs = one(columns()[0])
    together, _ = ensemble.predict_all(inputs)
    mean, _ = ensemble.predict(inputs)
    alone = [member(seed).predict(inputs)[0] for seed in range(4)]
    for part, average, parts in zip(together, mean, zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(part, jnp.stack(parts), atol=1e-5)
        np.testing.assert_allclose(average, jnp.stack(parts).mean(axis=0), atol=1e-5)


def test_networks_come_back(ensemble, member):
    for seed, network in enumerate(ensemble.networks):
        assert eqx.tree_equal(network, member(seed).network)


def test_twins_are_one_and_have_no_spread(member, columns):
    inputs, _ = columns()
    twins = EnsembleConvection.of([member(3), member(3)])
    alone, together = (convection_outputs(scheme, inputs) for scheme in (member(3), twins))
    for name in alone:
        rounding = 1e-6 * np.abs(alone[name]).max()
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-5, atol=rounding)
    for spread in twins.spread(one(inputs)).values():
        np.testing.assert_allclose(spread, 0, atol=1e-10)


def test_the_mean_fulfils_the_constraints(ensemble, columns):
    scores = convection_scores(ensemble, *columns())
    assert 0 < scores["water_residual"] < 1e-6 and scores["momentum_residual"] < 1e-6
    assert scores["negative_vapour"] == 0


def test_spread_is_that_of_the_expectations(ensemble, member, columns):
    inputs = one(columns()[0])
    spread = ensemble.spread(inputs)
    expected = [member(seed).expected(inputs) for seed in range(4)]
    assert set(spread) == set(SPREAD)
    for name in SPREAD:
        exact = np.std([np.asarray(outputs[name], float) for outputs in expected], axis=0, ddof=1)
        np.testing.assert_allclose(spread[name], exact, rtol=1e-3, atol=1e-5 * exact.max())


def test_calibrated_spread_is_as_large_as_the_error(ensemble, columns):
    inputs, targets = columns()
    calibrated = ensemble.calibrated(inputs, targets).calibrated(inputs, targets)
    outputs, spread = eqx.filter_jit(
        lambda e, i: jax.vmap(lambda one: (e.expected(one), e.spread(one)))(i)
    )(calibrated, inputs)
    for name in SPREAD:
        error = np.mean((np.asarray(outputs[name], float) - targets[name]) ** 2)
        np.testing.assert_allclose(np.mean(np.asarray(spread[name], float) ** 2), error, rtol=1e-4)
    assert not np.allclose(calibrated.calibration, 1)


def test_ensembles_are_checked(member, columns):
    first = member(0)
    with pytest.raises(ClosuraxError, match="at least two"):
        EnsembleConvection.of([first])
    with pytest.raises(ClosuraxError, match="alike"):
        EnsembleConvection.of([first, member(1, width=8)])
    other = eqx.tree_at(lambda s: s.scaling.rain, member(1), 3.0)
    with pytest.raises(ClosuraxError, match="same features, scales"):
        EnsembleConvection.of([first, other])
    with pytest.raises(ClosuraxError, match="agree on 'potential_temperature_tendency'"):
        EnsembleConvection.of([first, first]).calibrated(*columns())


# --- envelope ------------------------------------------------------------------------------------


@pytest.fixture
def envelope(columns):
    inputs, _ = columns(count=400)
    return EnvelopeScore.fit(ColumnFeatures.fit(inputs), inputs, components=5, quantile=0.9)


def test_score_is_one_at_the_quantile(envelope, columns):
    scores = np.asarray(eqx.filter_jit(jax.vmap(lambda i: envelope(i)))(columns(count=400)[0]))
    np.testing.assert_allclose(np.quantile(scores, 0.9), 1, rtol=1e-5)
    np.testing.assert_allclose(np.mean(scores > 1), 0.1, atol=0.005)


@pytest.mark.parametrize(
    "name, change",
    [
        ("air_temperature", lambda value: value + 40),
        ("vapour_mixing_ratio", lambda value: 8 * value),
        ("grid_spacing", lambda value: value * 0 + 2e5),
        # Not along what varies in the training: neighbouring levels in turn.
        ("air_temperature", lambda value: value + jnp.array([15.0, -15, 15, -15, 15, -15])),
    ],
)
def test_score_grows_beyond_the_training(name, change, envelope, columns):
    inputs = one(columns(count=400)[0])
    inside, outside = envelope(inputs), envelope({**inputs, name: change(inputs[name])})
    assert outside > inside and outside > 1


def test_envelope_guards_a_scheme(envelope, member, columns):
    inputs, targets = columns()
    physical = ClassMeanConvection.fit(envelope.features, inputs, targets)
    guard = GuardedConvection(member(0), physical, envelope, heating_limit=1e3)
    hot = {**inputs, "air_temperature": inputs["air_temperature"] + np.float32(60)}
    mixed = {name: np.concatenate([inputs[name], hot[name]]) for name in inputs}
    outputs = convection_outputs(guard, mixed)
    assert outputs["fallback"][40:].all() and not outputs["fallback"][:40].all()
    np.testing.assert_array_equal(outputs["fallback"], outputs["envelope_score"] > 1)
    for scheme, used in (
        (physical, outputs["fallback"] == 1),
        (member(0), outputs["fallback"] == 0),
    ):
        alone = convection_outputs(scheme, mixed)
        for name in alone:
            np.testing.assert_allclose(
                outputs[name][used], alone[name][used], rtol=1e-5, atol=1e-12
            )

"""Learned convection: what holds by construction, the loss, the scores."""

from functools import cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from closurax.datasets.normalisers import Standardiser
from closurax.physics.column import PersistentConvection
from closurax.physics.column.convection import SCALARS, TENDENCIES, AbstractConvection
from closurax.physics.errors import ClosuraxError, DataError
from closurax.surrogates.columns import (
    ALL_CONSTRAINTS,
    AbstractColumnFeatures,
    AbstractColumnNetwork,
    ClosedWater,
    ColumnFeatures,
    ColumnPrediction,
    ConvectionNetwork,
    Decision,
    DenseNetwork,
    LevelConvolution,
    LevelwiseNetwork,
    LossWeights,
    OnlyBelowTop,
    TendencyScaling,
    convection_loss,
    convection_outputs,
    convection_scores,
    decide,
    loss_terms,
    probabilities,
    training_columns,
)
from closurax.surrogates.training import fit, trainable_arrays

LEVELS = 6
HOUR = 3600.0
NAMES = [name for name, _ in TENDENCIES]
WATER = [
    f"{kind}_tendency" for kind in ("vapour", "cloud_water", "rain_water", "cloud_ice", "snow")
]


def network(kind, features, key):
    sizes = features.channels, features.scalars
    if kind == "dense":
        return DenseNetwork(features.levels, *sizes, width=12, depth=2, key=key)
    return LevelwiseNetwork(LevelConvolution(*sizes, 6, dilations=(1,), key=key), key=key)


class Projection(AbstractColumnNetwork):
    """Random numbers of unit variance over the columns, so that everything happens somewhere."""

    weight: jax.Array

    def __init__(self, features, key):
        size = features.levels * features.channels + features.scalars
        self.weight = jax.random.normal(key, (10 * features.levels + 6, size)) / size**0.5

    def __call__(self, profile, scalars):
        levels = profile.shape[0]
        outputs = self.weight @ jnp.concatenate([profile.reshape(-1), scalars])
        ends = [3, 4, 5, 6 + levels, 6 + 2 * levels]
        classes, rain, lifetime, base, top, tendencies = jnp.split(outputs, ends)
        return ColumnPrediction(
            tendencies.reshape(levels, 8), classes, rain[0], lifetime[0], base, top
        )


def scaling_of(inputs, targets, **options):
    mass = inputs["air_density"] * inputs["layer_thickness"]
    return TendencyScaling.fit(targets, np.full(len(mass), HOUR), mass, **options)


@cache
def network_scheme(columns, kind="random"):
    inputs, targets = columns()
    features = ColumnFeatures.fit(inputs)
    key = jax.random.key(1)
    net = Projection(features, key) if kind == "random" else network(kind, features, key)
    return ConvectionNetwork(features, net, scaling_of(inputs, targets))


@pytest.fixture
def scheme(columns):
    """A function that returns a scheme with a network of a `kind`."""
    return partial(network_scheme, columns)


@pytest.fixture
def learned(scheme):
    return scheme()


def one(data, index=0):
    return {name: jnp.asarray(value[index]) for name, value in data.items()}


def final(learned, inputs):
    return {k: np.asarray(v, float) for k, v in convection_outputs(learned, inputs).items()}


def expected(learned, inputs):
    outputs = eqx.filter_jit(lambda s, i: jax.vmap(s.expected)(i))(learned, inputs)
    return {k: np.asarray(v, float) for k, v in outputs.items()}


@pytest.mark.parametrize("method", [final, expected])
def test_returns_what_convection_returns(columns, learned, method):
    inputs, _ = columns()
    outputs = method(learned, inputs)
    assert (
        set(outputs)
        == {q.name for q in learned.returns}
        == {q.name for q in (*TENDENCIES, *SCALARS)}
    )
    for name, _ in TENDENCIES:
        assert outputs[name].shape == (40, LEVELS) and np.isfinite(outputs[name]).all()
    for name, _ in SCALARS:
        assert outputs[name].shape == (40,) and np.isfinite(outputs[name]).all()
    assert all(value.dtype == jnp.float32 for value in learned.tendencies(one(inputs)).values())


@pytest.mark.parametrize("method", [final, expected])
def test_conserves_water_and_momentum(columns, learned, method):
    inputs, _ = columns()
    outputs = method(learned, inputs)
    mass = inputs["air_density"].astype(float) * inputs["layer_thickness"]
    rain = outputs["precipitation_rate"]
    assert (rain >= 0).all() and rain.max() > 1e-5
    gross = (mass * abs(outputs["vapour_tendency"])).sum(axis=1)
    residual = (mass * sum(outputs[name] for name in WATER)).sum(axis=1) + rain
    assert gross.max() > 1e-5
    assert (abs(residual) <= 1e-6 * gross).all()
    for name in ("eastward_wind_tendency", "northward_wind_tendency"):
        exchange = mass * outputs[name]
        assert abs(exchange).max() > 0
        assert (abs(exchange.sum(axis=1)) <= 1e-6 * abs(exchange).sum(axis=1)).all()


@pytest.mark.parametrize("method", [final, expected])
def test_takes_no_more_vapour_than_there_is(columns, learned, method):
    inputs, _ = columns()
    scale = learned.scaling.adjustments.scale
    violent = eqx.tree_at(lambda s: s.scaling.adjustments.scale, learned, 100 * scale)
    loose = eqx.tree_at(lambda s: s.constraints, violent, ALL_CONSTRAINTS[:-1])

    def after(scheme):
        # In single precision, as a model steps.
        tendency = method(scheme, inputs)["vapour_tendency"].astype("float32")
        return inputs["vapour_mixing_ratio"] + inputs["time_step"][:, None] * tendency

    assert (after(loose) < 0).any()
    assert (after(violent) >= 0).all()


def test_nothing_happens_without_convection_nor_above_the_top(columns, learned):
    outputs = final(learned, columns()[0])
    kind, top, base = (
        outputs[name] for name in ("convection_class", "cloud_top_level", "cloud_base_level")
    )
    assert set(kind) <= {0.0, 1.0, 2.0} and len(set(kind)) > 1
    above = np.arange(1, LEVELS + 1) > top[:, None]
    for name in NAMES:
        assert (outputs[name][kind == 0] == 0).all()
        assert (outputs[name][above] == 0).all()
    for name in ("precipitation_rate", "convective_lifetime"):
        assert (outputs[name][kind == 0] == 0).all()
    assert (outputs["precipitation_rate"][kind == 2] == 0).all()
    assert (outputs["rain_water_tendency"][kind == 1] == 0).all()
    assert (top[kind == 0] == 1).all() and (base[kind == 0] == LEVELS + 1).all()
    assert (base[kind > 0] <= top[kind > 0]).all() and (base[kind > 0] >= 1).all()
    assert (outputs["convective_lifetime"][kind == 2] == 300).all()
    assert (outputs["convective_lifetime"][kind == 1] > 0).all()


def test_expectations_become_final_where_the_network_is_sure(columns, scheme):
    learned, inputs = scheme(), one(columns()[0])
    prediction, timescale = learned.predict(inputs)
    sure = prediction._replace(
        class_logits=jnp.array([-200.0, 200.0, -200.0]),
        top_logits=200 * jax.nn.one_hot(3, LEVELS),
        base_logits=200 * jax.nn.one_hot(1, LEVELS + 1),
    )
    soft = learned.outputs(sure, timescale, probabilities(sure), inputs)
    hard = learned.outputs(sure, timescale, decide(sure), inputs)
    for name in hard:
        np.testing.assert_allclose(soft[name], hard[name], rtol=1e-5, atol=1e-12, err_msg=name)
    assert float(hard["cloud_top_level"]) == 4 and float(hard["cloud_base_level"]) == 2


def test_probabilities_of_being_below_the_top(scheme, columns):
    prediction, _ = scheme().predict(one(columns()[0]))
    decision = probabilities(prediction)
    top = np.asarray(jax.nn.softmax(prediction.top_logits), float)
    np.testing.assert_allclose(
        decision.below_top, [top[k:].sum() for k in range(LEVELS)], rtol=1e-5
    )
    np.testing.assert_allclose(decision.top, np.sum(top * np.arange(1, LEVELS + 1)), rtol=1e-5)
    np.testing.assert_allclose(decision.triggered + decision.none, 1, rtol=1e-6)


def test_constraints_leave_what_fulfils_them_alone(columns, scheme):
    """What the scheme returns in the end passes unchanged through the constraints again, but for
    the weights of levels that the cloud may or may not reach."""

    @eqx.filter_jit
    def once_and_twice(learned, inputs):
        prediction, timescale = learned.predict(inputs)
        decision = decide(prediction)
        once = learned.outputs(prediction, timescale, decision, inputs)
        twice = dict(once)
        for constraint in learned.constraints:
            if not isinstance(constraint, OnlyBelowTop):
                twice = constraint(twice, inputs, decision)
        return once, twice

    for index in range(20):
        once, twice = once_and_twice(scheme(), one(columns()[0], index))
        for name in once:
            scale = float(jnp.max(jnp.abs(once[name])))
            np.testing.assert_allclose(
                twice[name], once[name], rtol=1e-5, atol=1e-6 * scale, err_msg=name
            )


def test_constraints_can_be_left_out(scheme, columns):
    inputs, _ = columns()
    free = eqx.tree_at(lambda s: s.constraints, scheme(), ())
    scores = convection_scores(free, *columns())
    assert scores["water_residual"] > 1e-2
    only = eqx.tree_at(lambda s: s.constraints, scheme(), (ClosedWater(),))
    assert convection_scores(only, *columns())["water_residual"] < 1e-5


def test_network_and_fields_in_different_precision(columns, scheme):
    learned = scheme()
    single = learned.tendencies(one(columns()[0], 1))
    with jax.enable_x64(True):
        outputs = learned.tendencies(one(columns(dtype="float64")[0], 1))
        assert all(value.dtype == jnp.float64 for value in outputs.values())
    for name, value in outputs.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(single[name], value, rtol=1e-3, atol=1e-4 * scale)


def test_runs_with_memory(scheme, columns):
    inputs, _ = columns()
    persistent = PersistentConvection(scheme())
    for index in range(6):
        read = one(inputs, index)
        read["vertical_velocity"] = jnp.zeros(LEVELS + 1)
        carry = persistent.initial_carry(read)
        outputs, carry = eqx.filter_jit(persistent)(read, carry)
        assert set(outputs) == {q.name for q in persistent.returns}
        if outputs["convection_class"] > 0:
            assert carry.remaining_lifetime > 0
            return
    raise AssertionError("no column with convection among those of the test")


# --- features and scales -------------------------------------------------------------------------


def test_features_are_standardised(columns):
    inputs, _ = columns()
    features = ColumnFeatures.fit(inputs)
    told = jax.vmap(features)(inputs)
    assert told.profile.shape == (40, LEVELS, features.channels)
    assert told.scalars.shape == (40, features.scalars)
    for values in (np.asarray(told.profile), np.asarray(told.scalars)):
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=2e-4)
        np.testing.assert_allclose(values.std(axis=0), 1, atol=2e-3)


def test_features_far_from_the_training_are_cut(columns):
    inputs = one(columns()[0])
    told = ColumnFeatures.fit(columns()[0])({**inputs, "air_temperature": jnp.full(LEVELS, 1e4)})
    assert told.profile.max() == 8


def test_features_that_never_change_are_not_scaled(columns):
    inputs, _ = columns()
    same = {**inputs, "grid_spacing": np.full_like(inputs["grid_spacing"], 5e3)}
    told = jax.vmap(ColumnFeatures.fit(same))(same)
    np.testing.assert_allclose(told.scalars[:, 0], 0, atol=1e-5)


def test_features_can_rule_convection_out(columns, scheme):
    class Hopeless(AbstractColumnFeatures):
        features: ColumnFeatures
        profile = property(lambda self: self.features.profile)
        surface = property(lambda self: self.features.surface)

        def raw(self, inputs):
            return self.features.raw(inputs)._replace(may_convect=jnp.zeros((), bool))

    learned = scheme()
    hopeless = eqx.tree_at(lambda s: s.features, learned, Hopeless(learned.features))
    inputs, _ = columns()
    assert final(learned, inputs)["convection_class"].max() > 0
    for method in (final, expected):
        outputs = method(hopeless, inputs)
        for name in (*NAMES, "precipitation_rate", "convection_class"):
            assert (outputs[name] == 0).all()


def test_scales_and_back(columns):
    inputs, targets = columns()
    scaling = scaling_of(inputs, targets)
    adjustment = jnp.stack([jnp.asarray(HOUR * targets[name][1]) for name in NAMES], axis=1)
    normalised = scaling.normalise(adjustment)
    np.testing.assert_allclose(scaling.denormalise(normalised), adjustment, rtol=1e-6)
    for lifetime in (300.0, 1500.0):
        restored = scaling.deep_lifetime(scaling.normalised_lifetime(jnp.asarray(lifetime)))
        assert scaling.log_lifetime_spread > 0.1
        np.testing.assert_allclose(restored, lifetime, rtol=1e-5)


def test_scales_of_adjustments(columns):
    inputs, targets = columns()
    adjustment = HOUR * targets[NAMES[0]].astype(float)
    rms = np.sqrt(np.mean(adjustment**2, axis=0))
    overall = np.sqrt(np.mean(adjustment**2))
    for floor in (0.0, 0.5, 1.0):
        scale = scaling_of(inputs, targets, floor=floor).adjustments.scale[:, 0]
        np.testing.assert_allclose(scale, np.maximum(rms, floor * overall), rtol=1e-5)


def test_scales_of_errors_make_one_minus_r2(columns):
    """The mass-weighted mean square of the difference from the mean of a level is one."""
    inputs, targets = columns()
    mass = inputs["air_density"].astype(float) * inputs["layer_thickness"]
    errors = scaling_of(inputs, targets).errors
    for index, name in enumerate(NAMES):
        difference = targets[name].astype(float) - targets[name].astype(float).mean(axis=0)
        relative = difference / np.asarray(errors.scale[:, index])
        np.testing.assert_allclose(np.average(relative**2, weights=mass), 1, rtol=1e-5)


def test_scales_need_data(columns):
    inputs, targets = columns()
    zero = np.zeros_like(targets["snow_tendency"])
    with pytest.raises(DataError, match="'snow_tendency'"):
        scaling_of(inputs, {**targets, "snow_tendency": zero})
    shallow = np.full_like(targets["convection_class"], 2)
    with pytest.raises(DataError, match="deep"):
        scaling_of(inputs, {**targets, "convection_class": shallow})


def test_statistics_are_not_trained(scheme):
    trainable = trainable_arrays(scheme())
    assert not any(jax.tree_util.tree_leaves((trainable.features, trainable.scaling)))
    assert any(jax.tree_util.tree_leaves(trainable.network))
    assert isinstance(scheme().features.profile, Standardiser)


# --- networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "levelwise"])
def test_networks_predict_everything(columns, kind, getkey):
    features = ColumnFeatures.fit(columns()[0])
    net = network(kind, features, getkey())
    told = features(one(columns()[0]))
    prediction = net(told.profile, told.scalars)
    assert [part.shape for part in prediction] == [
        (LEVELS, 8),
        (3,),
        (),
        (),
        (LEVELS + 1,),
        (LEVELS,),
    ]
    # Every number depends on the parameters in its own way: no output is used twice.
    flat = jnp.concatenate([jnp.ravel(part) for part in prediction])
    assert len(np.unique(flat)) == flat.size


def test_dense_network_is_checked(getkey):
    with pytest.raises(ClosuraxError, match="`activation`"):
        DenseNetwork(4, 2, 1, activation="sine", key=getkey())
    with pytest.raises(ClosuraxError, match="`depth`"):
        DenseNetwork(4, 2, 1, depth=0, key=getkey())
    with pytest.raises(ClosuraxError, match="for 4 levels, but the column has 5"):
        DenseNetwork(4, 2, 1, 3, key=getkey())(jnp.zeros((5, 2)), jnp.zeros(1))


# --- loss ----------------------------------------------------------------------------------------


@pytest.fixture
def batch(columns, scheme):
    return training_columns(scheme().features, *columns())


def terms_of(learned, inputs, targets, *weights):
    return loss_terms(learned, learned.features(inputs), inputs, targets, *weights)


def test_loss_is_the_mean_of_its_terms(batch, scheme, columns):
    inputs, targets = columns()
    learned = scheme()
    total = sum(
        float(sum(terms_of(learned, one(inputs, i), one(targets, i)).values())) for i in range(40)
    )
    np.testing.assert_allclose(convection_loss(learned, batch), total / 40, rtol=1e-5)


def test_loss_terms_by_hand(columns, scheme):
    learned, index = scheme(), 4  # a deep column
    inputs, targets = one(columns()[0], index), one(columns()[1], index)
    weights = LossWeights(class_weights=(1.0, 7.0, 1.0))
    terms = terms_of(learned, inputs, targets, weights)
    (prediction, _), outputs = learned.predict(inputs), learned.expected(inputs)
    name = "potential_temperature_tendency"
    mass = np.asarray(inputs["air_density"] * inputs["layer_thickness"], float)
    difference = np.asarray(outputs[name] - targets[name], float)
    squared = (difference / np.asarray(learned.scaling.errors.scale[:, 0])) ** 2
    relative = HOUR * difference / np.asarray(learned.scaling.adjustments.scale[:, 0])
    expected_term = np.average(squared, weights=mass) + weights.adjustments * np.mean(
        np.sqrt(1 + relative**2) - 1
    )
    np.testing.assert_allclose(terms[name], weights.tendencies[0] * expected_term, rtol=1e-4)
    rain = float(outputs["precipitation_rate"] - targets["precipitation_rate"])
    np.testing.assert_allclose(
        terms["precipitation_rate"],
        weights.rain * (rain / learned.scaling.rain_error) ** 2,
        rtol=1e-4,
    )
    classes = np.asarray(jax.nn.softmax(prediction.class_logits))
    assert int(targets["convection_class"]) == 1
    np.testing.assert_allclose(
        terms["convection_class"], -7 * weights.classes * np.log(classes[1]), rtol=1e-4
    )
    top = np.asarray(jax.nn.softmax(prediction.top_logits))[int(targets["cloud_top_level"]) - 1]
    base = np.asarray(jax.nn.softmax(prediction.base_logits))[int(targets["cloud_base_level"]) - 1]
    np.testing.assert_allclose(
        terms["cloud_levels"], -weights.levels * np.log(top * base), rtol=1e-4
    )


def test_columns_without_hope_are_not_trained_on(columns, scheme, batch):
    class Picky(AbstractColumnFeatures):
        features: ColumnFeatures
        profile = property(lambda self: self.features.profile)
        surface = property(lambda self: self.features.surface)

        def raw(self, inputs):
            return self.features.raw(inputs)._replace(
                may_convect=inputs["air_temperature"][0] > 300
            )

    inputs, targets = columns()
    kept = inputs["air_temperature"][:, 0] > 300
    assert 0 < kept.sum() < 40
    picked = training_columns(Picky(scheme().features), inputs, targets, batch_size=7)
    np.testing.assert_array_equal(
        picked["targets"]["vapour_tendency"], targets["vapour_tendency"][kept]
    )
    np.testing.assert_array_equal(picked["features"].profile, batch["features"].profile[kept])
    cold = {**inputs, "air_temperature": inputs["air_temperature"] - 30}
    with pytest.raises(DataError, match="none of the columns"):
        training_columns(Picky(scheme().features), cold, targets)


def test_columns_without_convection_have_no_cloud_to_learn(scheme, columns):
    inputs, targets = (one(part, 3) for part in columns())
    assert targets["convection_class"] == 0
    terms = terms_of(scheme(), inputs, targets)
    assert terms["cloud_levels"] == 0 and terms["convective_lifetime"] == 0
    assert terms["convection_class"] > 0


def test_gradient_of_the_loss_equals_finite_differences(columns, scheme):
    learned = scheme("dense")
    with jax.enable_x64(True):
        check_gradient(learned, *columns(dtype="float64"))


def check_gradient(learned, inputs, targets):
    learned = jax.tree_util.tree_map(
        lambda leaf: leaf.astype("float64") if eqx.is_array(leaf) else leaf, learned
    )
    data = training_columns(learned.features, inputs, targets)
    arrays, rest = eqx.partition(learned, trainable_arrays(learned))
    keys = iter(jax.random.split(jax.random.key(8), 20))
    direction = jax.tree_util.tree_map(
        lambda leaf: jax.random.normal(next(keys), leaf.shape, leaf.dtype), arrays
    )

    @jax.jit
    def value(step):
        moved = jax.tree_util.tree_map(lambda leaf, d: leaf + step * d, arrays, direction)
        return convection_loss(eqx.combine(moved, rest), data)

    step = 1e-7
    slope = (value(step) - value(-step)) / (2 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), slope, rtol=1e-4)


def test_all_weights_get_finite_gradients(batch, scheme):
    learned = scheme()
    gradient = eqx.filter_grad(convection_loss)(learned, batch)
    for leaf in jax.tree_util.tree_leaves(eqx.filter(gradient.network, eqx.is_array)):
        assert jnp.isfinite(leaf).all() and jnp.abs(leaf).max() > 0


def test_training_lowers_the_loss_and_raises_the_scores(batch, scheme, columns):
    learned = scheme("dense")
    result = fit(
        learned,
        batch,
        batch,
        loss=convection_loss,
        optimiser=optax.adam(1e-2),
        epochs=60,
        batch_size=20,
        seed=0,
        progress=False,
    )
    before, after = (convection_scores(s, *columns()) for s in (learned, result.best))
    losses = result.history["validation_loss"].values
    assert losses.min() < 0.5 * losses[0]
    assert after["class_accuracy"] > max(0.8, before["class_accuracy"])
    assert after["r2_precipitation"] > max(0.3, before["r2_precipitation"])


# --- scores --------------------------------------------------------------------------------------


class Replay(AbstractConvection):
    """Looks the answers up by the temperature of the lowest layer."""

    temperature: jax.Array
    answers: dict[str, jax.Array]

    def tendencies(self, inputs):
        index = jnp.argmin(jnp.abs(self.temperature - inputs["air_temperature"][0]))
        return {name: value[index] for name, value in self.answers.items()}


@pytest.fixture
def replay(columns):
    temperature = jnp.asarray(columns()[0]["air_temperature"][:, 0])
    return lambda answers: Replay(temperature, {k: jnp.asarray(v) for k, v in answers.items()})


def test_perfect_scores(replay, columns):
    inputs, targets = columns()
    scores = convection_scores(replay(targets), inputs, targets, batch_size=7)
    for name in NAMES:
        assert scores[f"r2_{name}"] == 1 and scores[f"rmse_{name}"] == 0
    for name in ("r2_precipitation", "r2_log_lifetime", "class_accuracy", "trigger_f1", "f1_deep"):
        assert scores[name] == 1
    for name in ("precipitation_bias", "precipitation_mae", "base_error", "top_error"):
        assert scores[name] == 0
    assert scores["water_residual"] > 1e-2  # the random data do not close


def test_r2_of_the_mean_on_each_level_is_zero(replay, columns):
    inputs, targets = columns()
    mean = {
        name: np.broadcast_to(value.mean(axis=0), value.shape) if name in NAMES else value
        for name, value in targets.items()
    }
    scores = convection_scores(replay(mean), inputs, targets)
    for name in NAMES:
        assert abs(float(scores[f"r2_{name}"])) < 1e-5
        by_level = scores[f"r2_by_level_{name}"]
        assert by_level.dims == ("level",)
        np.testing.assert_allclose(by_level, 0, atol=1e-5)


def test_scores_by_hand(replay, columns):
    inputs, targets = columns()
    wrong = {name: value.copy() for name, value in targets.items()}
    wrong["precipitation_rate"] = wrong["precipitation_rate"] + np.float32(1 / 3600)
    wrong["convection_class"] = np.where(
        targets["convection_class"] == 2, 1, targets["convection_class"]
    )
    name = "vapour_tendency"
    wrong[name] = wrong[name] + np.float32(2e-8)
    scores = convection_scores(replay(wrong), inputs, targets)
    np.testing.assert_allclose(scores["precipitation_bias"], 1, rtol=1e-5)
    np.testing.assert_allclose(scores["precipitation_mae"], 1, rtol=1e-5)
    np.testing.assert_allclose(scores[f"rmse_{name}"], 2e-8, rtol=1e-3)
    assert scores[f"rmse_{name}"].attrs["units"] == "kg kg-1 s-1"
    kinds = targets["convection_class"]
    deep, shallow = (kinds == 1).sum(), (kinds == 2).sum()
    np.testing.assert_allclose(scores["class_accuracy"], 1 - shallow / 40)
    np.testing.assert_allclose(scores["f1_deep"], 2 * deep / (2 * deep + shallow))
    assert scores["f1_shallow"] == 0 and scores["f1_none"] == 1 and scores["trigger_accuracy"] == 1


def test_scores_of_nothing(replay, columns):
    """A scheme that never convects has no skill, and no residuals."""
    inputs, targets = columns()
    nothing = {name: np.zeros_like(value) for name, value in targets.items()}
    scores = convection_scores(replay(nothing), inputs, targets)
    assert scores["water_residual"] == 0 and scores["negative_vapour"] == 0
    assert np.isnan(scores["enthalpy_residual"]) and np.isnan(scores["top_error"])
    assert scores["trigger_f1"] == 0


def test_scores_need_all_targets(scheme, columns):
    inputs, targets = columns()
    short = {k: v for k, v in targets.items() if k != "cloud_top_level"}
    with pytest.raises(DataError, match="cloud_top_level"):
        convection_scores(scheme(), inputs, short)


def test_decision_in_words():
    top, base = jnp.array(2.0), jnp.array(1.0)
    decision = Decision(jnp.array([0.2, 0.3, 0.5]), jnp.array([1.0, 0.5]), top, base)
    np.testing.assert_allclose(
        [decision.none, decision.deep, decision.shallow, decision.triggered],
        [0.2, 0.3, 0.5, 0.8],
        rtol=1e-6,
    )

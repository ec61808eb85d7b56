"""Schemes that a network has to beat, against their slow, obvious definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.column.convection import SCALARS, TENDENCIES
from closurax.physics.errors import DataError
from closurax.surrogates.columns import (
    ClassMeanConvection,
    ColumnFeatures,
    LinearConvection,
    LinearDiscriminant,
    NearestNeighbourConvection,
    PrincipalComponents,
    convection_outputs,
    convection_scores,
)

NAMES = [name for name, _ in TENDENCIES]
BASELINES = {
    "class mean": ClassMeanConvection.fit,
    "linear": LinearConvection.fit,
    "nearest neighbours": lambda *data: NearestNeighbourConvection.fit(
        *data, neighbours=3, components=4
    ),
}


@pytest.fixture(params=BASELINES)
def baseline(request, columns):
    inputs, targets = columns()
    return BASELINES[request.param](ColumnFeatures.fit(inputs), inputs, targets)


def vectors_of(features, inputs):
    told = jax.vmap(features)(inputs)
    return np.concatenate([told.profile.reshape(len(told.scalars), -1), told.scalars], axis=1)


def test_returns_what_convection_returns(baseline, columns):
    inputs, _ = columns()
    outputs = convection_outputs(baseline, inputs)
    assert set(outputs) == {quantity.name for quantity in (*TENDENCIES, *SCALARS)}
    kind, top, base = (
        outputs[name] for name in ("convection_class", "cloud_top_level", "cloud_base_level")
    )
    assert set(kind) == {0, 1, 2}
    for name in NAMES:
        assert outputs[name].dtype == np.float32 and outputs[name].shape == (40, 6)
        assert (outputs[name][kind == 0] == 0).all() and outputs[name].any()
    assert (outputs["precipitation_rate"][kind != 1] == 0).all()
    assert (outputs["precipitation_rate"] >= 0).all() and outputs["precipitation_rate"].any()
    assert (outputs["convective_lifetime"][kind == 0] == 0).all()
    assert (outputs["convective_lifetime"][kind > 0] > 0).all()
    assert (top[kind == 0] == 1).all() and (base[kind == 0] == 7).all()
    assert (base[kind > 0] <= top[kind > 0]).all() and (top <= 6).all() and (base >= 1).all()


def test_in_double_precision(baseline, columns):
    single = baseline.tendencies({k: jnp.asarray(v[1]) for k, v in columns()[0].items()})
    with jax.enable_x64(True):
        inputs = {k: jnp.asarray(v[1]) for k, v in columns(dtype="float64")[0].items()}
        double = baseline.tendencies(inputs)
        assert all(value.dtype == jnp.float64 for value in double.values())
    assert float(single["convection_class"]) == float(double["convection_class"])


def test_class_means(columns):
    inputs, targets = columns()
    scheme = ClassMeanConvection.fit(ColumnFeatures.fit(inputs), inputs, targets)
    outputs = convection_outputs(scheme, inputs)
    for kind in (1, 2):
        found, exact = outputs["convection_class"] == kind, targets["convection_class"] == kind
        for name in (*NAMES, "precipitation_rate", "cloud_top_level"):
            mean = targets[name][exact].mean(axis=0)
            mean = np.rint(mean) if name == "cloud_top_level" else mean
            expected = np.broadcast_to(mean, outputs[name][found].shape)
            np.testing.assert_allclose(outputs[name][found], expected, rtol=1e-4, atol=1e-12)
        lifetime = np.exp(np.log(targets["convective_lifetime"][exact]).mean())
        np.testing.assert_allclose(outputs["convective_lifetime"][found], lifetime, rtol=1e-4)


def test_linear_convection_recovers_a_linear_scheme(columns):
    """Data that are linear in the features, with more columns than features."""
    inputs, targets = columns(count=400)
    features = ColumnFeatures.fit(inputs)
    vectors = vectors_of(features, inputs)
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(vectors.shape[1], 6)) / 10
    deep = {**targets, "vapour_tendency": (1e-8 * vectors @ weight).astype("float32")}
    scheme = LinearConvection.fit(features, inputs, deep, ridge=1e-6)
    outputs = convection_outputs(scheme, inputs)
    triggered = outputs["convection_class"] > 0
    np.testing.assert_allclose(
        outputs["vapour_tendency"][triggered], deep["vapour_tendency"][triggered], atol=1e-10
    )
    heavy = LinearConvection.fit(features, inputs, deep, ridge=1e6)
    mean = convection_outputs(ClassMeanConvection.fit(features, inputs, deep), inputs)
    for name in NAMES:
        np.testing.assert_allclose(
            convection_outputs(heavy, inputs)[name], mean[name], rtol=1e-2, atol=1e-10
        )


def test_nearest_neighbours_by_sorting(columns):
    inputs, targets = columns()
    features = ColumnFeatures.fit(inputs)
    scheme = NearestNeighbourConvection.fit(features, inputs, targets, neighbours=5, components=3)
    outputs = convection_outputs(scheme, inputs)
    vectors = vectors_of(features, inputs).astype(float)
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:3].T
    for index in range(40):
        nearest = np.argsort(np.sum((points - points[index]) ** 2, axis=1))[:5]
        assert nearest[0] == index
        classes = targets["convection_class"][nearest].astype(int)
        kind = np.argmax(np.bincount(classes, minlength=3))
        assert outputs["convection_class"][index] == kind
        if kind > 0:
            alike = nearest[classes == kind]
            for name in NAMES:
                mean = targets[name][alike].astype(float).mean(axis=0)
                np.testing.assert_allclose(outputs[name][index], mean, rtol=1e-4, atol=1e-12)


def test_a_single_neighbour_is_the_column_itself(columns):
    inputs, targets = columns()
    features = ColumnFeatures.fit(inputs)
    scheme = NearestNeighbourConvection.fit(features, inputs, targets, neighbours=1, components=20)
    scores = convection_scores(scheme, inputs, targets)
    assert scores["class_accuracy"] == 1
    for name in NAMES:
        np.testing.assert_allclose(scores[f"r2_{name}"], 1, atol=1e-10)


def test_neighbours_need_columns(columns):
    inputs, targets = columns()
    features = ColumnFeatures.fit(inputs)
    with pytest.raises(DataError, match="between 1 and the 40 columns"):
        NearestNeighbourConvection.fit(features, inputs, targets, neighbours=41)
    with pytest.raises(DataError, match="principal components"):
        NearestNeighbourConvection.fit(features, inputs, targets, components=40)


# --- linear discriminants ------------------------------------------------------------------------


def gaussian_classes(count=3000):
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [count // 2, count // 3, count - count // 2 - count // 3])
    means = np.array([[0.0, 0.0], [2.0, 1.0], [-1.0, 3.0]])
    mixing = np.array([[1.0, 0.8], [0.0, 0.6]])
    return means[classes] + rng.normal(size=(count, 2)) @ mixing, classes, means, mixing.T @ mixing


def test_discriminant_is_that_of_the_gaussians():
    vectors, classes, means, covariance = gaussian_classes(200_000)
    found = LinearDiscriminant.fit(vectors, classes, shrinkage=0.0)
    weight = np.linalg.solve(covariance, means.T).T
    np.testing.assert_allclose(found.weight, weight, atol=0.05)
    prior = np.log(np.bincount(classes) / classes.size)
    np.testing.assert_allclose(found.bias, prior - 0.5 * np.sum(weight * means, axis=1), rtol=0.01)


def test_discriminant_beats_the_nearest_centroid():
    vectors, classes, means, _ = gaussian_classes()
    found = LinearDiscriminant.fit(vectors, classes)
    guessed = np.asarray(jax.vmap(found)(jnp.asarray(vectors, "float32")))
    distance = np.sum((vectors[:, None] - means[None]) ** 2, axis=2)
    assert np.mean(guessed == classes) > np.mean(distance.argmin(axis=1) == classes) + 0.01
    assert np.mean(guessed == classes) > 0.85


def test_discriminant_needs_all_classes():
    with pytest.raises(DataError, match=r"\[2, 0, 1\]"):
        LinearDiscriminant.fit(np.zeros((3, 2)), np.array([0, 2, 0]))


# --- principal components ------------------------------------------------------------------------


def test_principal_components_of_a_known_gaussian():
    rng = np.random.default_rng(2)
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    spread = np.array([4.0, 2.0, 0.5, 0.5, 0.5])
    vectors = 3 + (spread * rng.normal(size=(100_000, 5))) @ rotation.T
    found = PrincipalComponents.fit(vectors, 2)
    np.testing.assert_allclose(found.spread, spread[:2], rtol=0.02)
    np.testing.assert_allclose(found.noise, 0.5, rtol=0.02)
    np.testing.assert_allclose(
        abs(np.asarray(found.directions) @ rotation)[:, :2], np.eye(2), atol=0.02
    )
    # The Mahalanobis distance with the true covariance.
    point = jnp.asarray(3 + rotation @ np.array([4.0, 2.0, 0.5, -0.5, 0.5]), "float32")
    np.testing.assert_allclose(found.distance(point), 5**0.5, rtol=0.03)
    np.testing.assert_allclose(jnp.abs(found.project(point)), [4, 2], rtol=0.05)
    squares = jax.vmap(found.distance)(jnp.asarray(vectors[:20_000], "float32")) ** 2
    np.testing.assert_allclose(squares.mean(), 5, rtol=0.03)


def test_principal_components_need_variance():
    line = np.outer(np.arange(10.0), np.ones(4))
    with pytest.raises(DataError, match="fewer than 2 directions"):
        PrincipalComponents.fit(line, 2)
    with pytest.raises(DataError, match="4 features of 10 samples"):
        PrincipalComponents.fit(line, 4)

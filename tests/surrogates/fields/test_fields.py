import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz, Jet
from closurax.surrogates.fields import (
    PIG,
    AbstractField,
    FourierFeatures,
    FullGaussianFeatures,
    GaussianFeatures,
    LinearField,
    NetworkField,
    PeriodicFeatures,
    SeparableField,
    on_grid,
)

POINT = np.array([0.3, -0.4, 0.2])


def gaussians(key, count=5, dims=3):
    one, two = jax.random.split(key)
    centres = jax.random.uniform(one, (count, dims), minval=-1, maxval=1)
    return GaussianFeatures(centres, jax.random.uniform(two, (count, dims), minval=0.2, maxval=0.7))


def full_gaussians(key, count=5, dims=3):
    factors = jax.random.uniform(key, (count, dims, dims), minval=-2, maxval=2)
    return FullGaussianFeatures(gaussians(key, count, dims).centres, factors)


class Curved(AbstractField):
    """A field with its derivatives written out."""

    def __call__(self, point):
        return jnp.stack([point[0] ** 2 * point[1], jnp.sin(point[2])])

    def jet(self, point):
        x, y, z = point
        zero = jnp.zeros_like(x)
        gradient = jnp.asarray([[2 * x * y, x**2, zero], [zero, zero, jnp.cos(z)]])
        second = jnp.asarray([[2 * y, zero, zero], [zero, zero, -jnp.sin(z)]])
        return Jet(self(point), gradient, second)


def linear(key, offset=None):
    return LinearField(gaussians(key), jax.random.normal(key, (5, 2)), offset)


FIELDS = {
    "gaussians": gaussians,
    "gaussians of full covariance": full_gaussians,
    "periodic gaussians": lambda key: PeriodicFeatures(gaussians(key), (2.0, None, 3.0)),
    "sum": linear,
    "sum with a function": lambda key: linear(key, Curved().__call__),
    "sum with a field": lambda key: linear(key, Curved()),
    "network": lambda key: PIG([-1] * 3, [1] * 3, 2, features=3, gaussians=4, width=0.5, key=key),
    "network and full covariance": lambda key: PIG(
        [-1] * 3, [1] * 3, features=2, gaussians=4, width=0.5, covariance="full", key=key
    ),
    "waves": lambda key: FourierFeatures.random(4, [1.0, 2.0, 3.0], key=key),
    "perceptron": lambda key: perceptron(key),
    "perceptron after waves": lambda key: perceptron(
        key, FourierFeatures.random(4, [1.0, 2.0, 3.0], key=key)
    ),
    "separable networks": lambda key: separable(key),
    "separable Gaussians": lambda key: SeparableField.of_gaussians(
        [-1, -1, 0], [1, 2, 3], 2, rank=3, gaussians=4, key=key
    ),
}


def perceptron(key, features=None):
    box = ([-1, -2, 0], [1, 2, 3])
    return NetworkField(*box, 2, width=5, depth=2, features=features, key=key)


def separable(key):
    return SeparableField.of_networks([-1, -2, 0], [1, 2, 3], 2, rank=3, width=4, depth=1, key=key)


@pytest.mark.parametrize("make", FIELDS.values(), ids=FIELDS)
def test_jets_equal_automatic_differentiation(x64, getkey, make):
    field, point = make(getkey()), jnp.asarray(POINT)
    jet = jax.jit(lambda point: field.jet(point))(point)
    np.testing.assert_allclose(jet.value, field(point), rtol=1e-12)
    np.testing.assert_allclose(jet.gradient, jax.jacfwd(field)(point), rtol=1e-10, atol=1e-12)
    hessian = jax.jacfwd(jax.jacfwd(field))(point)
    expected = jnp.diagonal(hessian, axis1=-2, axis2=-1)
    np.testing.assert_allclose(jet.second, expected, rtol=1e-9, atol=1e-11)


def test_a_gaussian_has_its_width_along_each_axis(x64):
    features = GaussianFeatures(jnp.asarray([[1.0, 2.0]]), jnp.asarray([[0.5, -3.0]]))
    for point, expected in (([1, 2], 1), ([1.5, 2], np.exp(-0.5)), ([1, 8], np.exp(-2))):
        np.testing.assert_allclose(features(jnp.asarray(point, float)), [expected], rtol=1e-14)


def test_gaussians_of_full_covariance_along_the_axes_and_turned(x64, getkey):
    plain, point = gaussians(getkey()), jnp.asarray(POINT)
    full = FullGaussianFeatures.along_axes(plain.centres, plain.widths)
    np.testing.assert_allclose(full(point), plain(point), rtol=1e-13)
    general = full_gaussians(getkey())
    (turn, _), lower = jnp.linalg.qr(jax.random.normal(getkey(), (3, 3))), jnp.tril(general.factors)
    precisions = turn @ lower @ lower.swapaxes(1, 2) @ turn.T
    turned = FullGaussianFeatures(general.centres @ turn.T, jnp.linalg.cholesky(precisions))
    np.testing.assert_allclose(turned(turn @ point), general(point), rtol=1e-11)


def test_images_make_gaussians_periodic(x64, getkey):
    centres = jax.random.uniform(getkey(), (4, 2), minval=-1, maxval=1)
    features = PeriodicFeatures(GaussianFeatures(centres, jnp.full((4, 2), 0.25)), (2.0, None))
    left, right = jnp.asarray([-1.0, 0.3]), jnp.asarray([1.0, 0.3])
    for one, other in zip(
        jax.tree.leaves(features.jet(left)), jax.tree.leaves(features.jet(right)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-11)


def test_a_perceptron_is_its_layers_one_after_the_other(x64, getkey):
    field, values = perceptron(getkey()), np.array([0.3, -0.1, (2 * 0.2 - 3) / 3])
    # The box is [-1, 1] x [-2, 2] x [0, 3].
    point = jnp.asarray([0.3, -0.2, 0.2])
    for layer in field.network.layers[:-1]:
        values = np.tanh(np.asarray(layer.weight) @ values + np.asarray(layer.bias))
    last = field.network.layers[-1]
    np.testing.assert_allclose(field(point), last.weight @ values + last.bias, rtol=1e-12)
    wide = NetworkField([0], [1], 400, width=300, depth=1, key=getkey())
    np.testing.assert_allclose(
        jnp.std(wide.network.layers[1].weight), 700**-0.5 * 2**0.5, rtol=0.02
    )
    for wrong in ({"depth": 0}, {"upper": [1, 2, 0]}):
        with pytest.raises(ClosuraxError):
            NetworkField(**{"lower": [-1, -2, 0], "upper": [1, 2, 3], "key": getkey()} | wrong)


def test_waves_with_whole_frequencies_make_a_network_periodic(x64, getkey):
    waves = FourierFeatures(jnp.asarray([[np.pi, 0.3], [2 * np.pi, 1.0]]))
    field = NetworkField([-1, 0], [1, 1], width=6, depth=1, features=waves, key=getkey())
    left, right = (field.jet(jnp.asarray([end, 0.7])) for end in (-1.0, 1.0))
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    with pytest.raises(ClosuraxError, match="`waves` = 0"):
        FourierFeatures.random(0, [1.0], key=getkey())


def test_a_separable_field_is_a_sum_of_products_on_points_and_grids(x64, getkey):
    field = separable(getkey())
    axes = [jnp.linspace(-1, 1, 2), jnp.linspace(-2, 1, 3), jnp.linspace(0, 2, 4)]
    jets = eqx.filter_jit(lambda axes: field.jets_on_axes(axes))(axes)
    at = eqx.filter_jit(lambda point: (field(point), field.jet(point)))
    factors_at = eqx.filter_jit(
        lambda point: [factor(point[d : d + 1]) for d, factor in enumerate(field.factors)]
    )
    assert jets.value.shape == (2, 3, 4, 2) and jets.second.shape == (2, 3, 4, 2, 3)
    for index in ((0, 0, 0), (1, 2, 3), (1, 0, 2)):
        point = jnp.stack([axis[i] for axis, i in zip(axes, index, strict=True)])
        factors = [np.asarray(factor) for factor in factors_at(point)]
        expected = [
            sum(np.prod([factor[2 * r + f] for factor in factors]) for r in range(3))
            for f in range(2)
        ]
        value, at_point = at(point)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        for one, other in zip(jax.tree.leaves(jets), jax.tree.leaves(at_point), strict=True):
            np.testing.assert_allclose(one[index], other, rtol=1e-10, atol=1e-12)
    line = SeparableField.of_gaussians([0], [1], rank=2, gaussians=3, key=getkey())
    value = line.factors[0](jnp.asarray([0.3]))
    np.testing.assert_allclose(line.jets_on_axes([jnp.asarray([0.3])]).value, [[sum(value)]])
    with pytest.raises(ClosuraxError, match="same multiple of `out_fields` = 4"):
        SeparableField(field.factors, 4)
    with pytest.raises(ClosuraxError, match="`gaussians` = 1"):
        SeparableField.of_gaussians([0], [1], gaussians=1, key=getkey())


def test_parameters_of_the_published_network(getkey):
    field = PIG([0, -1, -1], [10, 1, 1], features=4, gaussians=100, key=getkey())
    arrays = jax.tree.leaves(eqx.filter(field, eqx.is_inexact_array))
    assert sum(array.size for array in arrays) == 2897
    with pytest.raises(ClosuraxError, match="`hidden` = 0"):
        PIG([0], [1], hidden=0, key=getkey())
    with pytest.raises(ClosuraxError, match="`covariance` is 'round'; it may be 'diagonal' or"):
        PIG([0], [1], covariance="round", key=getkey())


def test_on_a_grid_with_names_and_units(x64, getkey):
    field = LinearField(gaussians(getkey(), dims=2), jnp.ones((5, 1)))
    found = on_grid(Helmholtz(), field, (4, 3))
    assert found["u"].dims == ("x", "y") and found["u"].attrs["units"] == "1"
    assert found["x"].attrs["units"] == "1"
    np.testing.assert_array_equal(found["y"], [-1, 0, 1])
    value = field(jnp.asarray([found["x"].values[2], 1.0]))[0]
    np.testing.assert_allclose(found["u"][2, 2], value, rtol=1e-14)
    with pytest.raises(ClosuraxError, match="2 axes"):
        on_grid(Helmholtz(), field, (4, 3, 2))

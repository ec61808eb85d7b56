"""Orthonormal functions from features, factors that vanish, and weights that depend on time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Burgers, grid_axes, grid_points
from closurax.surrogates.fields import (
    EvolvedField,
    GalerkinBasis,
    GaussianFeatures,
    ReflectedFeatures,
    VanishingFeatures,
    on_grid,
)


def gaussians(count=9, width=0.3):
    centres = jnp.linspace(-1.0, 1.0, count)[:, None]
    return GaussianFeatures(centres, jnp.full((count, 1), width))


def quadrature(count=40):
    points, measure = np.polynomial.legendre.leggauss(count)
    return points[:, None], measure


def test_a_basis_is_orthonormal_and_spans_the_features(x64):
    features, (points, measure) = gaussians(), quadrature()
    basis = GalerkinBasis.spanning(features, points, measure)
    value = np.asarray(basis.value)
    np.testing.assert_allclose(value.T @ (measure[:, None] * value), np.eye(9), atol=1e-12)
    jets = jax.vmap(features.jet)(jnp.asarray(points))
    np.testing.assert_allclose(jets.value @ basis.mixing, value, atol=1e-10)
    np.testing.assert_allclose(basis.value @ basis.projected(jets.value), jets.value, atol=1e-12)
    jet = basis.jet(jnp.eye(9))
    np.testing.assert_allclose(jet.gradient[..., 0], jets.gradient[..., 0] @ basis.mixing)
    np.testing.assert_allclose(jet.second[..., 0], jets.second[..., 0] @ basis.mixing)


def test_features_that_are_nearly_the_same_count_once(x64):
    twice = gaussians(8)
    twice = GaussianFeatures(
        jnp.concatenate([twice.centres, twice.centres + 1e-12]),
        jnp.concatenate([twice.widths, twice.widths]),
    )
    basis = GalerkinBasis.spanning(twice, *quadrature())
    assert basis.modes == 8
    np.testing.assert_allclose(basis.projected(basis.value), np.eye(8), atol=1e-12)


def test_diffusion_is_diagonal_in_the_decaying_functions(x64):
    features = VanishingFeatures(gaussians(11, 0.35), (-1.0,), (1.0,), (0,))
    basis, eigenvalues = GalerkinBasis.spanning(features, *quadrature()).decaying()
    products = basis.projected(basis.second[0])
    np.testing.assert_allclose(products, np.diag(eigenvalues), atol=1e-8)
    # The slowest are those of sines, pi k / 2.
    expected = -((np.pi / 2 * np.array([2, 1])) ** 2)
    np.testing.assert_allclose(np.sort(eigenvalues)[-2:], expected, rtol=1e-4)


def test_a_basis_refuses_what_it_cannot_make_orthonormal(x64):
    with pytest.raises(ClosuraxError, match="5 points for 9 features"):
        GalerkinBasis.spanning(gaussians(), *quadrature(5))
    broken = GaussianFeatures(jnp.zeros((2, 1)), jnp.full((2, 1), jnp.nan))
    with pytest.raises(ClosuraxError, match="not finite"):
        GalerkinBasis.spanning(broken, *quadrature(5))


def test_a_basis_needs_double_precision():
    points, measure = quadrature()
    with pytest.raises(ClosuraxError, match="float64"):
        GalerkinBasis.spanning(gaussians(), points.astype(np.float32), measure)


def test_reflected_features_are_odd_at_the_walls_and_know_their_derivatives(x64):
    centres = jnp.asarray([[0.1, 0.2], [-0.5, 1.3], [0.9, 2.8]])
    plain = GaussianFeatures(centres, jnp.full((3, 2), 0.25))
    features = ReflectedFeatures(plain, (-1.0, 0.0), (1.0, 3.0), (0, 1))
    place, along = jnp.asarray([0.97, 2.9]), jnp.asarray([0.0, 0.2])
    np.testing.assert_allclose(features(place.at[0].set(1.0)), 0, atol=1e-12)
    np.testing.assert_allclose(features(place.at[1].set(0.0)), 0, atol=1e-12)
    above, below = (features(place.at[1].set(3.0) + side * along) for side in (1, -1))
    assert np.abs(above).max() > 0.05
    np.testing.assert_allclose(above, -below, atol=1e-12)
    jet = features.jet(place)
    np.testing.assert_allclose(jet.value, features(place), atol=1e-14)
    np.testing.assert_allclose(jet.gradient, jax.jacfwd(features)(place), atol=1e-12)
    bends = jax.hessian(features)(place)
    np.testing.assert_allclose(jet.second, np.diagonal(bends, axis1=1, axis2=2), atol=1e-11)
    only = ReflectedFeatures(plain, (-1.0, 0.0), (1.0, 3.0), (1,))
    assert np.abs(only(place.at[0].set(1.0))).max() > 0.1


def test_vanishing_features_vanish_and_know_their_derivatives(x64):
    centres = jnp.asarray([[0.1, 0.2], [-0.5, 1.3]])
    plain = GaussianFeatures(centres, jnp.full((2, 2), 0.6))
    features = VanishingFeatures(plain, (-1.0, 0.0), (1.0, 3.0), (1,))
    for y in (0.0, 3.0):
        np.testing.assert_array_equal(features(jnp.asarray([0.3, y])), 0)
    middle = jnp.asarray([1.0, 1.5])
    np.testing.assert_allclose(features(middle), plain(middle), rtol=1e-14)
    point = jnp.asarray([0.4, 0.7])
    jet = jax.jit(lambda point: features.jet(point))(point)
    np.testing.assert_allclose(jet.gradient, jax.jit(jax.jacfwd(features))(point), rtol=1e-12)
    hessian = jnp.diagonal(jax.jit(jax.hessian(features))(point), axis1=1, axis2=2)
    np.testing.assert_allclose(jet.second, hessian, rtol=1e-11)


@pytest.fixture
def field(x64):
    """Weights that are a cubic of time, which is represented exactly."""
    times = jnp.asarray([0.0, 0.3, 0.5, 1.0])
    powers = jax.random.normal(jax.random.key(0), (4, 9, 1))
    t = np.asarray(times)
    weights = jnp.einsum("tk,knf->tnf", np.stack([t**k for k in range(4)], 1), powers)
    slopes = jnp.einsum(
        "tk,knf->tnf", np.stack([k * t ** max(k - 1, 0) for k in range(4)], 1), powers
    )
    return EvolvedField(gaussians(), times, weights, slopes, lambda point: jnp.cos(point[:1]))


def test_weights_are_cubic_between_the_times(field):
    def exact(time):
        differences = np.linalg.solve(
            np.vander(np.asarray(field.times), increasing=True), np.asarray(field.weights)[..., 0]
        )
        return (time ** np.arange(4)) @ differences

    for time in (0.0, 0.1, 0.3, 0.45, 0.8, 1.0):
        np.testing.assert_allclose(field.at(time).weights[:, 0], exact(time), atol=1e-12)
        point = jnp.asarray([time, 0.2])
        expected = field.features(point[1:]) @ exact(time) + np.cos(time)
        np.testing.assert_allclose(field(point), [expected], rtol=1e-12)


def test_jets_in_time_and_space_equal_automatic_differentiation(field):
    point = jnp.asarray([0.42, 0.17])
    jet = jax.jit(lambda point: field.jet(point))(point)
    np.testing.assert_allclose(jet.value, field(point), rtol=1e-12)
    np.testing.assert_allclose(jet.gradient, jax.jit(jax.jacfwd(field))(point), rtol=1e-10)
    hessian = jnp.diagonal(jax.jit(jax.hessian(field))(point), axis1=1, axis2=2)
    np.testing.assert_allclose(jet.second, hessian, rtol=1e-9)


def test_a_grid_of_times_and_places_has_the_values_of_its_points(field):
    problem = Burgers()
    found = on_grid(problem, field, (4, 5))["u"]
    points = jnp.asarray(grid_points(grid_axes(problem, (4, 5))))
    expected = jax.vmap(jax.vmap(field))(points)[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)

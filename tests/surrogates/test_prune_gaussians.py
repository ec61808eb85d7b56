"""Fewer of the Gaussians that solve a problem."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Burgers, Helmholtz
from closurax.surrogates import fit_gaussians, prune_gaussians
from closurax.surrogates.fields import (
    GaussianFeatures,
    LinearField,
    PeriodicFeatures,
    PolynomialFeatures,
)
from closurax.surrogates.training import Collocation, solve_weights
from closurax.surrogates.training.prune_gaussians import _some_of

PROBLEM = Helmholtz(waves_x=1, waves_y=2)


@pytest.fixture(scope="module")
def fitted():
    with jax.enable_x64(True):
        return fit_gaussians(PROBLEM, 200, seed=0, progress=False).field


def error(problem, field):
    points = np.random.default_rng(0).uniform(problem.lower, problem.upper, (400, problem.dims))
    exact = problem.solution(points)
    found = jax.vmap(field)(jnp.asarray(points))
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def test_some_of_the_gaussians_are_still_a_solution_and_better_wider(x64, fitted):
    pruned = prune_gaussians(PROBLEM, fitted, 100, seed=0)
    assert len(pruned.field.weights) == 100 == len(set(pruned.kept.tolist()))
    features = pruned.field.features
    np.testing.assert_array_equal(features.centres, fitted.features.centres[pruned.kept])
    np.testing.assert_allclose(
        features.widths, pruned.widening * fitted.features.widths[pruned.kept]
    )
    narrow = GaussianFeatures(features.centres, fitted.features.widths[pruned.kept])
    points = Collocation.for_features(PROBLEM, 200, 0).balanced(fitted)
    as_they_were = solve_weights(LinearField(narrow, pruned.field.weights), points).field
    assert error(PROBLEM, pruned.field) < error(PROBLEM, as_they_were) < 1e-3


def test_a_gaussian_that_is_there_twice_is_pruned_first(x64, fitted):
    twice = np.r_[np.arange(200), 7, 7, 20]
    features = GaussianFeatures(fitted.features.centres[twice], fitted.features.widths[twice])
    doubled = LinearField(features, fitted.weights[twice])
    kept = prune_gaussians(PROBLEM, doubled, 200, seed=0).kept
    assert len(np.unique(np.asarray(features.centres)[kept], axis=0)) == 200


def test_a_nonlinear_problem(x64):
    problem = Burgers(viscosity=0.2)
    many = fit_gaussians(problem, 100, seed=0, progress=False).field
    pruned = prune_gaussians(problem, many, 75, seed=0).field
    assert error(problem, pruned) < 3 * error(problem, many) < 0.01


def test_periodic_images_go_with_their_gaussian(x64, fitted):
    periodic = PeriodicFeatures(fitted.features, (None, 2.0))
    some = _some_of(periodic, np.array([3, 1]), 2.0)
    assert isinstance(some, PeriodicFeatures) and some.periods == periodic.periods
    np.testing.assert_array_equal(some.features.widths, 2 * fitted.features.widths[np.r_[3, 1]])


def test_refuses(x64, fitted):
    for count in (0, 200):
        with pytest.raises(ClosuraxError, match="must be from 1 to 199: there are 200"):
            prune_gaussians(PROBLEM, fitted, count, seed=0)
    degrees = np.indices((4, 4)).reshape(2, -1).T
    polynomials = PolynomialFeatures((-1.0, -1.0), (1.0, 1.0), degrees)
    with pytest.raises(ClosuraxError, match="only Gaussians can be pruned"):
        prune_gaussians(PROBLEM, LinearField(polynomials, jnp.zeros((16, 1))), 5, seed=0)

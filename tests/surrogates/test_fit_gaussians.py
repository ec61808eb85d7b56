import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz, KleinGordon
from closurax.surrogates.fields import (
    GaussianFeatures,
    LinearField,
    PolynomialFeatures,
    on_grid,
)
from closurax.surrogates.training import Collocation, fit_gaussians, solve_weights
from closurax.surrogates.training.fit_gaussians import quasi_random_gaussians


def some_field(count=40, dims=2):
    rng = np.random.default_rng(0)
    centres = jnp.asarray(rng.uniform(-1.3, 1.3, (count, dims)))
    return LinearField(
        GaussianFeatures(centres, jnp.full((count, dims), 0.5)), jnp.zeros((count, 1))
    )


@pytest.fixture
def collocation(x64):
    return Collocation.quasi_random(Helmholtz(1, 1), 90, 12, seed=0)


@pytest.mark.parametrize("problem", [Helmholtz(1, 2), KleinGordon()], ids=["linear", "nonlinear"])
def test_rows_are_the_derivatives_of_the_residuals(x64, problem):
    collocation = Collocation.quasi_random(problem, 7, 3, seed=0)
    field = some_field(5, problem.dims)
    field = eqx.tree_at(lambda field: field.weights, field, field.weights + 0.7)

    def residuals(weights):
        return collocation.residuals(eqx.tree_at(lambda field: field.weights, field, weights))

    rows, values = collocation.linearised(field)
    np.testing.assert_allclose(values, residuals(field.weights), rtol=1e-12)
    expected = jax.jacfwd(residuals)(field.weights).reshape(rows.shape)
    np.testing.assert_allclose(rows, expected, rtol=1e-10, atol=1e-10)


def test_weights_are_those_of_least_squares(collocation):
    field = some_field()
    solved = solve_weights(field, collocation)
    assert solved.steps == 1
    rows, values = collocation.linearised(field)
    expected = np.linalg.lstsq(rows, -values, rcond=None)[0]
    np.testing.assert_allclose(solved.field.weights[:, 0], expected, rtol=1e-6)
    left = np.sqrt(np.mean(np.asarray(rows @ expected + values) ** 2))
    np.testing.assert_allclose(solved.residual, left, rtol=1e-8)


def test_balanced_blocks_have_rows_of_equal_size(collocation):
    field = some_field()
    rows, _ = collocation.balanced(field, face_weight=2.0).linearised(field)
    blocks = np.split(np.asarray(rows), 90 + 12 * np.arange(4))
    sizes = np.sqrt([np.mean(block**2) for block in blocks])
    np.testing.assert_allclose(sizes, [1, 2, 2, 2, 2], rtol=1e-10)


def fitted(problem, count):
    return fit_gaussians(problem, count, seed=0, trial_count=40, progress=False)


def test_a_block_without_any_slope_keeps_its_scale(x64):
    problem = KleinGordon()
    constant = PolynomialFeatures(problem.lower, problem.upper, np.zeros((1, 3), int))
    field = LinearField(constant, jnp.zeros((1, 1)))
    collocation = Collocation.quasi_random(problem, 5, 4, seed=0).balanced(field)
    assert jnp.all(jnp.isfinite(collocation.residuals(field)))


def error(problem, field, points):
    found = on_grid(problem, field, (points,) * problem.dims)
    axes = np.meshgrid(*(found[name] for name in found["u"].dims), indexing="ij")
    exact = problem.solution(np.stack(axes, axis=-1).reshape(-1, problem.dims))[:, 0]
    return np.linalg.norm(found["u"].values.ravel() - exact) / np.linalg.norm(exact)


def test_converges_faster_than_any_power_without_seeing_the_solution(x64):
    problem = Helmholtz(1, 2)
    errors = [error(problem, fitted(problem, count).field, 21) for count in (40, 80, 160)]
    assert errors[2] < 1e-5
    assert np.log2(errors[1] / errors[2]) > 4


def test_the_axis_with_more_waves_gets_more_gaussians(x64):
    found = fit_gaussians(Helmholtz(1, 4), 150, seed=0, trial_count=150, progress=False)
    along_x, along_y = found.per_axis
    assert along_y > 1.5 * along_x
    np.testing.assert_allclose(along_x * along_y, 150, rtol=1e-12)


def test_a_nonlinear_problem_in_a_few_steps(x64):
    problem = KleinGordon(upper=(1.0, 1.0, 1.0))
    gaussians = quasi_random_gaussians(problem, 60, np.full(3, 60 ** (1 / 3)), 2.0, seed=0)
    field = LinearField(gaussians, jnp.zeros((60, 1)))
    collocation = Collocation.quasi_random(problem, 150, 40, seed=0).balanced(field)
    solved = solve_weights(field, collocation)
    assert 1 < solved.steps < 7
    gradient = jax.grad(
        lambda weights: jnp.sum(
            collocation.residuals(dataclasses.replace(solved.field, weights=weights)) ** 2
        )
    )(solved.field.weights)
    start = jax.grad(
        lambda weights: jnp.sum(
            collocation.residuals(dataclasses.replace(field, weights=weights)) ** 2
        )
    )(field.weights)
    assert jnp.max(jnp.abs(gradient)) < 1e-5 * jnp.max(jnp.abs(start))


def test_the_same_seed_gives_the_same_field(x64):
    one, two = (fit_gaussians(Helmholtz(1, 1), 30, seed=3, progress=False) for _ in range(2))
    np.testing.assert_array_equal(one.field.weights, two.field.weights)


def test_refuses(collocation):
    with pytest.raises(ClosuraxError, match="ten Gaussians"):
        fit_gaussians(Helmholtz(), 5, seed=0)
    with pytest.raises(ClosuraxError, match="138 equations for 200 weights"):
        solve_weights(some_field(200), collocation)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), some_field())
    with pytest.raises(ClosuraxError, match="float64"):
        solve_weights(single, collocation)
    nan = eqx.tree_at(lambda c: c.interior, collocation, collocation.interior * jnp.nan)
    with pytest.raises(ClosuraxError, match="not finite"):
        solve_weights(some_field(), nan)
    near = some_field()
    far = eqx.tree_at(lambda field: field.features.centres, near, near.features.centres + 99)
    with pytest.raises(ClosuraxError, match="No weight changes any residual"):
        solve_weights(far, collocation)


def test_gaussians_that_are_there_twice_change_nothing(collocation):
    once, twice = some_field(20), some_field(20)
    doubled = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), twice)
    single, double = (solve_weights(field, collocation) for field in (once, doubled))
    np.testing.assert_allclose(double.residual, single.residual, rtol=1e-2)
    one, two = (jax.vmap(each.field)(collocation.interior) for each in (single, double))
    np.testing.assert_allclose(one, two, atol=1e-2 * float(jnp.abs(one).max()))

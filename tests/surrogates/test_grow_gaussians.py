import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AllenCahn, Burgers, Helmholtz, KleinGordon
from closurax.surrogates import fit_gaussians, grow_gaussians
from closurax.surrogates.fields import GaussianFeatures, LinearField, PeriodicFeatures
from closurax.surrogates.training import solve_weights
from closurax.surrogates.training.grow_gaussians import _Cells


def error(problem, field):
    points = np.random.default_rng(0).uniform(problem.lower, problem.upper, (500, problem.dims))
    exact = problem.solution(points)
    found = jax.jit(lambda points: jax.lax.map(field, points, batch_size=100))(jnp.asarray(points))
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


@pytest.fixture(scope="module")
def layer():
    problem = Burgers(viscosity=0.02)
    with jax.enable_x64(True):
        return problem, grow_gaussians(problem, 300, start_count=30, progress=False)


@pytest.mark.slow
def test_a_layer_is_found_and_resolved_far_better_than_by_as_many_even_gaussians(x64, layer):
    problem, grown = layer
    even = fit_gaussians(problem, 300, seed=0, trial_count=100, progress=False)
    assert len(grown.field.weights) == 300
    assert error(problem, grown.field) < 0.1 * error(problem, even.field)


def test_gaussians_are_added_where_the_layer_is(layer):
    _, grown = layer
    widths = np.asarray(grown.field.features.widths)
    centres = np.asarray(grown.field.features.centres)
    finest = widths[:, 1] < 1.01 * widths[:, 1].min()
    assert np.abs(centres[finest, 1]).mean() < 0.3
    # The layer is along time, and so are the Gaussians.
    times, places = widths.max(axis=0) / widths.min(axis=0)
    assert places > 2 * times


def mixed_cells(problem):
    cells = _Cells.uniform(problem, 3**problem.dims)
    inside = np.flatnonzero(cells.inside(problem))
    return cells.halved(inside[:2], np.array([0, 1])).halved(inside[-1:], np.array([1]))


@pytest.mark.parametrize("problem", [Burgers(), AllenCahn(), KleinGordon()], ids=repr)
def test_cells_that_are_not_divided_fill_the_box(x64, problem):
    cells = mixed_cells(problem)
    inside = cells.inside(problem)
    box = np.prod(np.subtract(problem.upper, problem.lower))
    np.testing.assert_allclose(cells.size[inside].prod(axis=1).sum(), box)
    points = np.random.default_rng(0).uniform(problem.lower, problem.upper, (50, problem.dims))
    low, high = cells.low[inside], cells.low[inside] + cells.size[inside]
    within = (low <= points[:, None]) & (points[:, None] < high)
    np.testing.assert_array_equal(within.all(axis=-1).sum(axis=1), 1)


@pytest.mark.parametrize("problem", [Burgers(), AllenCahn(), Helmholtz()], ids=repr)
def test_points_stand_for_parts_of_the_box(x64, problem):
    cells = mixed_cells(problem)
    field = cells.field(problem, 1.5)
    assert isinstance(field.features, PeriodicFeatures) == any(problem.periodic)
    points = cells.collocation(problem, field)
    inner, measure = points.collocation.interior, np.asarray(points.measure)
    box = np.prod(np.subtract(problem.upper, problem.lower))
    shares = measure[: len(inner)] * box / measure[: len(inner)].sum()
    # Middles of equal parts are of second order, and exact for what is linear.
    mean = (shares @ np.asarray(inner)) / box
    middle = (np.asarray(problem.upper) + np.asarray(problem.lower)) / 2
    np.testing.assert_allclose(mean, middle, atol=1e-12)
    for condition, face in zip(problem.conditions(), points.collocation.faces, strict=True):
        end = (problem.upper if condition.upper else problem.lower)[condition.axis]
        np.testing.assert_array_equal(face[:, condition.axis], end)
    rows, values = points.linearised(field)
    np.testing.assert_allclose(values, points.residuals(field), rtol=1e-12)
    squares = points.interior_squares(field)
    np.testing.assert_allclose(squares, np.asarray(values[: len(squares)]) ** 2, rtol=1e-12)
    assert rows.shape == (len(values), len(cells.low))
    assert solve_weights(field, points).residual < np.sqrt(np.mean(np.asarray(values) ** 2))


def test_the_worst_cells_and_their_larger_neighbours_are_divided():
    problem = Burgers()
    cells = mixed_cells(problem)
    inside = np.flatnonzero(cells.inside(problem))
    squares = np.full(len(inside), 1e-3)
    squares[-1] = 1.0
    axes = np.zeros(len(inside), int)
    axes[-1] = 1
    halved, along = cells.marked(inside, squares, axes, 100)
    assert halved[0] == inside[-1] and (along == 1).all()
    assert (cells.size[halved, 1] >= cells.size[inside[-1], 1]).all()
    assert len(halved) > 1 and len(set(halved)) == len(halved)
    np.testing.assert_array_equal(cells.marked(inside, squares, axes, 2)[0], halved[:2])


def test_halves_along_the_axis_along_which_the_field_bends(x64):
    problem = Helmholtz()
    cells = mixed_cells(problem)
    field = cells.field(problem, 1.0)
    wave = LinearField(
        GaussianFeatures(jnp.zeros((1, 2)), jnp.asarray([[9.0, 0.4]])), jnp.ones((1, 1))
    )
    inside = np.flatnonzero(cells.inside(problem))
    points = cells.collocation(problem, field).collocation.interior
    assert np.mean(cells.steepest(inside, points, wave)) > 0.8


def test_a_field_on_other_cells_is_the_same_field(x64):
    problem = Helmholtz()
    cells = _Cells.uniform(problem, 40)
    field = cells.like(problem, 2.0, cells.field(problem, 2.0))
    assert not np.any(field.weights)
    smooth = LinearField(GaussianFeatures(jnp.zeros((1, 2)), jnp.ones((1, 2))), jnp.ones((1, 1)))
    again = cells.like(problem, 2.0, smooth)
    points = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (40, 2)))
    np.testing.assert_allclose(jax.vmap(again)(points), jax.vmap(smooth)(points), atol=1e-4)


def test_refuses_a_count_that_leaves_nothing_to_add(x64):
    with pytest.raises(ClosuraxError, match="leaves no Gaussians to add"):
        grow_gaussians(Burgers(), 100)

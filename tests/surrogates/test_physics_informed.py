import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest
from jax.flatten_util import ravel_pytree

from closurax.physics.errors import ClosuraxError, TrainingDivergedError
from closurax.physics.problems import Helmholtz, KleinGordon, Poisson, grid_axes, grid_points
from closurax.surrogates.fields import (
    PIG,
    GaussianFeatures,
    LinearField,
    NetworkField,
    SeparableField,
    on_grid,
)
from closurax.surrogates.training import (
    Collocation,
    GridCollocation,
    LevenbergMarquardt,
    NaturalGradient,
    QuasiNewton,
    solve_weights,
    train_physics_informed,
)

PROBLEM = Helmholtz(1, 1)


def gaussians(key, count=30):
    centres = jax.random.uniform(key, (count, 2), minval=-1.2, maxval=1.2)
    return LinearField(GaussianFeatures(centres, jnp.full((count, 2), 0.5)), jnp.zeros((count, 1)))


def points(interior=120, face=12):
    return Collocation.quasi_random(PROBLEM, interior, face, seed=0).weighted(1e-2)


def only_weights(field):
    none = jax.tree.map(lambda _: False, field)
    return eqx.tree_at(lambda field: field.weights, none, True)


@eqx.filter_jit
def loss_of(collocation, field):
    return collocation.loss(field)


def relative_error(field):
    found = on_grid(PROBLEM, field, (21, 21))["u"].values
    places = grid_points(grid_axes(PROBLEM, (21, 21))).reshape(-1, 2)
    exact = PROBLEM.solution(places)
    return np.linalg.norm(found.ravel() - exact[:, 0]) / np.linalg.norm(exact)


def test_loss_is_the_weighted_sum_of_mean_squares(x64, getkey):
    collocation = Collocation.random(KleinGordon(), 7, 3, getkey()).weighted(0.2, 3.0)
    field = NetworkField([0, -1, -1], [10, 1, 1], width=5, depth=1, key=getkey())
    expected = 0.0
    residuals = [collocation.problem.residual]
    residuals += [condition.residual for condition in collocation.problem.conditions()]
    blocks = [collocation.interior, *collocation.faces]
    for index, (residual, block) in enumerate(zip(residuals, blocks, strict=True)):
        at = eqx.filter_jit(lambda point, residual=residual: residual(point, field.jet(point)))
        squares = [float(at(point)[0]) ** 2 for point in block]
        expected += (3.0 if index else 0.2) * np.mean(squares)
    np.testing.assert_allclose(loss_of(collocation, field), expected, rtol=1e-12)
    with pytest.raises(ClosuraxError, match="must be positive"):
        collocation.weighted(0.0)


def test_drawn_points_lie_on_their_faces(getkey):
    collocation = Collocation.random(KleinGordon(), 40, 8, getkey())
    again = collocation.redrawn(getkey())
    for drawn in (collocation, again):
        assert drawn.interior.shape == (40, 3)
        np.testing.assert_array_less(drawn.interior.max(axis=0), [10, 1, 1])
        for condition, face in zip(KleinGordon().conditions(), drawn.faces, strict=True):
            end = (KleinGordon().upper if condition.upper else KleinGordon().lower)[condition.axis]
            assert (face[:, condition.axis] == end).all()
            others = np.delete(np.asarray(face), condition.axis, axis=1)
            assert (np.ptp(others, axis=0) > 0.5).all()
    assert not np.isin(again.interior, collocation.interior).any()
    with pytest.raises(ClosuraxError, match="at least one each"):
        Collocation.random(KleinGordon(), 40, 0, getkey())


@pytest.mark.parametrize("problem", [Helmholtz(1, 2), KleinGordon()], ids=["linear", "nonlinear"])
def test_rows_of_all_parameters_are_derivatives_of_the_loss(x64, getkey, problem):
    collocation = Collocation.quasi_random(problem, 9, 4, seed=0).weighted(0.1)
    field = PIG(problem.lower, problem.upper, gaussians=3, width=0.7, key=getkey())
    parameters, frozen = eqx.partition(field, eqx.is_inexact_array)
    jacobian = eqx.filter_jit(lambda parameters: collocation.jacobian(parameters, frozen))
    rows, values = jacobian(parameters)
    loss, slope = jax.jit(
        jax.value_and_grad(lambda arrays: collocation.loss(eqx.combine(arrays, frozen)))
    )(parameters)
    np.testing.assert_allclose(values @ values, loss, rtol=1e-12)
    np.testing.assert_allclose(2 * values @ rows, ravel_pytree(slope)[0], rtol=1e-9, atol=1e-12)
    vector, unravel = ravel_pytree(parameters)
    direction = jax.random.normal(getkey(), vector.shape)

    def moved(by):
        return jacobian(unravel(vector + by * direction))[1]

    difference = (moved(1e-6) - moved(-1e-6)) / 2e-6
    np.testing.assert_allclose(rows @ direction, difference, rtol=1e-5, atol=1e-6)


def test_a_grid_is_its_points(x64, getkey):
    problem = KleinGordon()
    field = SeparableField.of_networks(
        problem.lower, problem.upper, rank=3, width=4, depth=1, key=getkey()
    )
    grid = GridCollocation.random(problem, 3, getkey()).weighted(0.5, 2.0)
    blocks = [
        jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        for axes in (grid.interior, *grid.faces)
    ]
    assert [len(block) for block in blocks] == [27] + 6 * [9]
    listed = Collocation(problem, blocks[0], tuple(blocks[1:]), grid.scales)
    np.testing.assert_allclose(loss_of(grid, field), loss_of(listed, field), rtol=1e-12)
    with pytest.raises(ClosuraxError, match="a SeparableField, not a NetworkField"):
        grid.loss(NetworkField(problem.lower, problem.upper, key=getkey()))
    with pytest.raises(ClosuraxError, match="at least one coordinate"):
        GridCollocation.random(problem, 0, getkey())


OPTIMISERS = {
    "levenberg-marquardt": (LevenbergMarquardt(), 8),
    "natural gradient": (NaturalGradient(), 3),
    "l-bfgs": (optax.lbfgs(), 400),
    "bfgs": (QuasiNewton(optx.BFGS(rtol=1e-9, atol=1e-9)), 400),
}


@pytest.mark.parametrize("optimiser, steps", OPTIMISERS.values(), ids=OPTIMISERS)
def test_all_find_what_the_solver_of_weights_finds(x64, getkey, optimiser, steps):
    # The 16 Gaussians are far from dependent, so that descent gets there, too.
    field, collocation = gaussians(getkey(), 16), points()
    found = train_physics_informed(
        field, collocation, optimiser=optimiser, steps=steps, seed=0, report_every=steps,
        trainable=only_weights(field), progress=False,
    )  # fmt: skip
    # Blocks of mean squares are rows with the number of points in their scale.
    counts = np.asarray([len(block) for block in (collocation.interior, *collocation.faces)])
    scaled = eqx.tree_at(
        lambda each: each.scales, collocation, collocation.scales * np.sqrt(counts)
    )
    solved = solve_weights(field, scaled).field
    least = float(loss_of(collocation, solved))
    assert float(loss_of(collocation, found.field)) < 1.01 * least
    np.testing.assert_array_equal(found.field.features.centres, field.features.centres)


def test_levenberg_marquardt_never_rises_and_moves_everything(x64, getkey):
    field = gaussians(getkey())
    found = train_physics_informed(
        field, points(), optimiser=LevenbergMarquardt(), steps=50, seed=0, report_every=1,
        measures=lambda field: {"error": relative_error(field)}, progress=False,
    )  # fmt: skip
    history = found.history
    assert (np.diff(history["training_loss"]) <= 0).all()
    assert history["validation_loss"][-1] < 1e-2 * history["validation_loss"][0]
    assert history["error"][-1] < 0.1
    np.testing.assert_allclose(history["error"][-1], relative_error(found.field))
    assert not np.allclose(found.field.features.centres, field.features.centres)
    # The loss of optimistix's own method, which starts from another damping, is no lower.
    parameters, frozen = eqx.partition(field, eqx.is_inexact_array)
    vector, unravel = ravel_pytree(parameters)
    solver = optx.LevenbergMarquardt(rtol=1e-12, atol=1e-12)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = optx.least_squares(
            lambda vector, _: points().jacobian(unravel(vector), frozen)[1],
            solver, vector, max_steps=51, throw=False,
        )  # fmt: skip
    last = float(loss_of(points(), eqx.combine(unravel(theirs.value), frozen)))
    assert history["training_loss"][-1] < 10 * last


def test_random_points_and_adam(getkey):
    field = SeparableField.of_networks([-1, -1], [1, 1], rank=8, width=16, depth=1, key=getkey())
    grid = GridCollocation.random(PROBLEM, 12, getkey()).weighted(1e-2)
    optimiser = optax.adam(optax.exponential_decay(1e-2, 100, 0.9))
    result = train_physics_informed(
        field, grid, optimiser=optimiser, steps=350, seed=1, redraw=True, progress=False
    )
    history = result.history
    np.testing.assert_array_equal(history["step"], [100, 200, 300, 400])
    assert history["training_loss"].attrs["units"] == "1"
    assert history["validation_loss"][-1] < 0.5 * history["validation_loss"][0]
    assert (np.diff(history["learning_time"]) > 0).all()
    assert result.field.factors[0].network.layers[0].weight.dtype == jnp.float32
    again = train_physics_informed(
        field, grid, optimiser=optimiser, steps=100, seed=1, redraw=True, progress=False,
        seconds=1e-9,
    )  # fmt: skip
    assert again.history.sizes["step"] == 1
    np.testing.assert_array_equal(again.history["training_loss"], history["training_loss"][:1])


def test_a_line_search_starts_anew_at_other_points(x64, getkey):
    field, random = gaussians(getkey(), 8), Collocation.random(PROBLEM, 30, 4, getkey())
    seen = []
    history = train_physics_informed(
        field, random, optimiser=optax.lbfgs(), steps=2, seed=3, redraw=True, report_every=1,
        progress=False, measures=lambda field: seen.append(field) or {},
    ).history  # fmt: skip
    # The loss before the second step is that of the first field at the second points.
    second = random.redrawn(jax.random.fold_in(jax.random.key(3), 1))
    np.testing.assert_allclose(history["training_loss"][1], loss_of(second, seen[0]), rtol=1e-10)
    bfgs = QuasiNewton(optx.BFGS(rtol=1e-9, atol=1e-9))
    history = train_physics_informed(
        field, random, optimiser=bfgs, steps=60, seed=3, redraw=True, report_every=30,
        progress=False,
    ).history  # fmt: skip
    assert history["validation_loss"][1] < history["validation_loss"][0]


def test_divergence_keeps_the_last_finite_field(getkey):
    field, random = gaussians(getkey(), 8), Collocation.random(PROBLEM, 20, 4, getkey())
    schedule = optax.piecewise_constant_schedule(1e-3, {2: 1e30})
    with pytest.raises(TrainingDivergedError, match="steps from 2 to 4.*learning rate") as caught:
        train_physics_informed(
            field, random, optimiser=optax.sgd(schedule), steps=10, seed=0, report_every=2,
            progress=False,
        )  # fmt: skip
    last = caught.value.last
    assert np.isfinite(last.field.weights).all() and (last.field.weights != 0).any()
    np.testing.assert_array_equal(last.history["step"], [2])


class Flat(Poisson):
    def residual(self, point, jet):
        return jnp.sum(jet.second)


def test_what_does_not_fit_is_refused(getkey):
    train = dict(optimiser=optax.adam(1e-2), steps=1, seed=0, progress=False)
    field, random = gaussians(getkey(), 8), Collocation.random(PROBLEM, 20, 4, getkey())
    two = dataclasses.replace(field, weights=jnp.zeros((8, 2)))
    with pytest.raises(ClosuraxError, match=r"Helmholtz needs .*: 1 fields of 2 coordinates"):
        train_physics_informed(two, random, **train)
    flat = Collocation.random(Flat(2), 20, 4, getkey())
    with pytest.raises(ClosuraxError, match=r"residual of the equation of Flat has shape \(\)"):
        train_physics_informed(field, flat, **train)
    with pytest.raises(ClosuraxError, match="`report_every` = 0"):
        train_physics_informed(field, random, report_every=0, **train)
    grid = GridCollocation.random(PROBLEM, 3, getkey())
    with pytest.raises(ClosuraxError, match="takes a Collocation"):
        train_physics_informed(field, grid, **train | {"optimiser": LevenbergMarquardt()})
    with pytest.raises(ClosuraxError, match="`damping` = 0"):
        LevenbergMarquardt(damping=0.0)

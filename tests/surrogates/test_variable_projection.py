import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz, KleinGordon
from closurax.surrogates.fields import PIG, GaussianFeatures, LinearField, NetworkField
from closurax.surrogates.training import (
    Collocation,
    Equations,
    GridCollocation,
    LevenbergMarquardt,
    VariableProjection,
    train_physics_informed,
)

PROBLEM = Helmholtz(1, 1)
METHOD = VariableProjection()


def gaussians(key, count, width=0.5):
    centres = jax.random.uniform(key, (count, 2), minval=-1.2, maxval=1.2)
    widths = jnp.full((count, 2), width)
    return LinearField(GaussianFeatures(centres, widths), jnp.zeros((count, 1)))


def points(interior=100, face=10, problem=PROBLEM):
    return Collocation.quasi_random(problem, interior, face, seed=0).weighted(1e-2)


@pytest.fixture
def projection(x64, getkey):
    field = gaussians(getkey(), 9)
    parameters, frozen = eqx.partition(field, eqx.is_inexact_array)
    equations = Equations(points(), frozen)
    solved = eqx.filter_jit(METHOD.solved)

    def functional(features):
        moved = solved(LinearField(features, parameters.weights), equations)
        return equations.loss(moved) + METHOD.regularisation * jnp.sum(moved.weights**2)

    return parameters, equations, eqx.filter_jit(functional)


def test_gradient_is_that_of_the_projected_functional(projection):
    parameters, equations, functional = projection
    solved = eqx.filter_jit(METHOD.solved)(parameters, equations)
    rows = eqx.filter_jit(lambda: METHOD.projected(solved, equations)[:2])()
    vector, unravel = ravel_pytree(solved.features)
    gradient = 2 * rows[1] @ rows[0]
    np.testing.assert_allclose(rows[1] @ rows[1], functional(solved.features), rtol=1e-10)
    for direction in np.random.default_rng(0).normal(size=(4, vector.size)):
        change = functional(unravel(vector + 1e-6 * direction))
        change -= functional(unravel(vector - 1e-6 * direction))
        np.testing.assert_allclose(gradient @ direction, change / 2e-6, rtol=1e-5)


def test_is_lower_in_fewer_steps_than_all_parameters_at_once(x64, getkey):
    field = gaussians(getkey(), 12)
    train = dict(seed=0, report_every=1, progress=False)
    ours = train_physics_informed(field, points(), optimiser=METHOD, steps=15, **train)
    theirs = train_physics_informed(
        field, points(), optimiser=LevenbergMarquardt(), steps=60, **train
    )
    losses = ours.history["training_loss"].values
    assert (np.diff(losses) <= 1e-12).all()
    assert losses[-1] < theirs.history["training_loss"].values.min()
    assert not np.allclose(ours.field.features.centres, field.features.centres)


def test_equations_that_are_not_linear_are_linearised(x64, getkey):
    problem = KleinGordon()
    field = LinearField(
        GaussianFeatures(
            jax.random.uniform(getkey(), (20, 3)) * jnp.asarray([[10, 1, 1.0]]),
            jnp.tile(jnp.asarray([[1.5, 1.0, 1.0]]), (20, 1)),
        ),
        jnp.zeros((20, 1)),
    )
    history = train_physics_informed(
        field, points(150, 20, problem), optimiser=METHOD, steps=8, seed=0, report_every=1,
        progress=False,
    ).history["training_loss"].values  # fmt: skip
    assert (np.diff(history) <= 0).all() and history[-1] < 0.5 * history[0]


def test_the_last_layer_of_a_network_may_be_solved_for_at_other_points(x64, getkey):
    network = NetworkField([-1, -1], [1, 1], width=8, depth=1, key=getkey())
    last = VariableProjection(lambda field: field.network.layers[-1].weight)
    random = Collocation.random(PROBLEM, 150, 20, getkey()).weighted(1e-2)
    history = train_physics_informed(
        network, random, optimiser=last, steps=12, seed=0, report_every=3, redraw=True,
        progress=False,
    ).history  # fmt: skip
    assert history["validation_loss"][-1] < 0.8 * history["validation_loss"][0]


def test_what_does_not_fit_is_refused(x64, getkey):
    field = gaussians(getkey(), 4)
    train = dict(optimiser=METHOD, steps=1, seed=0, progress=False)
    with pytest.raises(ClosuraxError, match="PIG is not linear in `weights`"):
        pig = PIG([-1, -1], [1, 1], gaussians=4, key=getkey())
        train_physics_informed(pig, points(), **train)
    none = jax.tree.map(lambda _: False, field)
    only = eqx.tree_at(lambda field: field.weights, none, True)
    with pytest.raises(ClosuraxError, match="`solve_weights` does that"):
        train_physics_informed(field, points(), trainable=only, **train)
    others = eqx.tree_at(lambda field: field.features.centres, none, True)
    with pytest.raises(ClosuraxError, match="solved for are not trained"):
        train_physics_informed(field, points(), trainable=others, **train)
    with pytest.raises(ClosuraxError, match="takes a Collocation"):
        train_physics_informed(field, GridCollocation.random(PROBLEM, 3, getkey()), **train)
    with pytest.raises(ClosuraxError, match="`regularisation` = 0"):
        VariableProjection(regularisation=0.0)

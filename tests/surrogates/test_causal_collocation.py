import equinox as eqx
import jax
import numpy as np
import optax
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Burgers, Helmholtz
from closurax.surrogates.fields import NetworkField
from closurax.surrogates.training import (
    CausalCollocation,
    Collocation,
    LevenbergMarquardt,
    train_physics_informed,
)

PROBLEM = Burgers(viscosity=0.1)


def network(key):
    return NetworkField(PROBLEM.lower, PROBLEM.upper, width=8, depth=1, key=key)


def points(key):
    return Collocation.random(PROBLEM, 90, 6, key).weighted(2.0, 3.0)


def test_weights_are_those_of_what_is_left_earlier(x64, getkey):
    field, inside = network(getkey()), points(getkey())
    causal = CausalCollocation(inside, slabs=5, steepness=0.7)
    blocks = eqx.filter_jit(inside.residuals_by_block)(field)
    squares = np.asarray(blocks[0]) ** 2
    start, end = PROBLEM.lower[0], PROBLEM.upper[0]
    times = (np.asarray(inside.interior)[:, 0] - start) / (end - start)
    conditions = PROBLEM.conditions()
    initial = [index for index, each in enumerate(conditions) if each.name == "initial state"]
    expected, loss = [], 0.0
    earlier = np.mean(np.asarray(blocks[1 + initial[0]]) ** 2)
    for slab in range(5):
        here = (times >= slab / 5) & (times < (slab + 1) / 5)
        expected.append(np.exp(-0.7 * earlier))
        earlier += squares[here].mean()
        loss += expected[-1] * squares[here].sum() / len(squares)
    loss += sum(np.mean(np.asarray(face) ** 2) for face in blocks[1:])
    np.testing.assert_allclose(causal.weights(field), expected, rtol=1e-12)
    np.testing.assert_allclose(eqx.filter_jit(causal.loss)(field), loss, rtol=1e-12)
    # Where nothing is forgiven, the loss is the usual one.
    usual = CausalCollocation(inside, slabs=5, steepness=1e-15)
    np.testing.assert_allclose(
        eqx.filter_jit(usual.loss)(field), eqx.filter_jit(inside.loss)(field), rtol=1e-12
    )


def test_nothing_is_differentiated_through_the_weights(x64, getkey):
    field, inside = network(getkey()), points(getkey())
    causal = CausalCollocation(inside, slabs=5)
    slopes = eqx.filter_jit(eqx.filter_grad(lambda field: causal.loss(field)))(field)
    weights = causal.weights(field)[causal._slab()]

    def held(field):
        blocks = inside.residuals_by_block(field)
        return sum(((block**2).mean() for block in blocks[1:]), (weights * blocks[0] ** 2).mean())

    expected = eqx.filter_jit(eqx.filter_grad(held))(field)
    for found, each in zip(jax.tree.leaves(slopes), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, each, rtol=1e-9, atol=1e-12)


def test_training_satisfies_what_is_early(getkey):
    causal = CausalCollocation(points(getkey()), slabs=4, steepness=3.0)
    train = dict(seed=0, progress=False)
    history = train_physics_informed(
        network(getkey()), causal, optimiser=optax.adam(1e-2), steps=600, redraw=True,
        measures=lambda field: {"second": float(causal.weights(field)[1])}, **train,
    ).history  # fmt: skip
    # What is early is satisfied first.
    assert history["second"][-1] > 2 * history["second"][0]
    # Other scales are those of the points.
    np.testing.assert_allclose(causal.weighted(4.0).points.scales[0], 0.5)
    with pytest.raises(ClosuraxError, match="not a CausalCollocation"):
        train_physics_informed(
            network(getkey()), causal, optimiser=LevenbergMarquardt(), steps=1, **train
        )
    with pytest.raises(ClosuraxError, match="Helmholtz has no time"):
        CausalCollocation(Collocation.random(Helmholtz(1, 1), 5, 2, getkey()))
    with pytest.raises(ClosuraxError, match="`slabs` = 1"):
        CausalCollocation(points(getkey()), slabs=1)

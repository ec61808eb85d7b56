import equinox as eqx
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz
from closurax.surrogates.fields import NetworkField
from closurax.surrogates.training import (
    Collocation,
    Equations,
    GridCollocation,
    NaturalGradient,
    train_physics_informed,
)

PROBLEM = Helmholtz(1, 1)


def network(key):
    return NetworkField([-1, -1], [1, 1], width=12, depth=1, key=key)


def points():
    return Collocation.quasi_random(PROBLEM, 80, 10, seed=0).weighted(1e-2)


def test_a_step_is_the_best_of_the_lengths_along_the_direction(x64, getkey):
    parameters, frozen = eqx.partition(network(getkey()), eqx.is_inexact_array)
    equations = Equations(points(), frozen)
    method = NaturalGradient(regularisation=1e-3)
    found, _, loss = eqx.filter_jit(method.step)(parameters, None, equations)
    vector, unravel = ravel_pytree(parameters)
    rows, values = eqx.filter_jit(points().jacobian)(parameters, frozen)
    # The regularised solve as least squares with a row more for each parameter.
    more = np.concatenate([rows, np.sqrt(1e-3) * np.eye(vector.size)])
    direction = -np.linalg.lstsq(more, np.append(values, np.zeros(vector.size)), rcond=None)[0]
    losses_at = eqx.filter_jit(lambda vector: equations.loss(unravel(vector)))
    losses = [float(losses_at(vector + 0.5**k * direction)) for k in range(20)]
    np.testing.assert_allclose(loss, values @ values, rtol=1e-12)
    np.testing.assert_allclose(losses_at(ravel_pytree(found)[0]), min(losses), rtol=1e-8)


def test_lowers_the_loss_of_a_network_and_never_raises_it(x64, getkey):
    history = train_physics_informed(
        network(getkey()), points(), optimiser=NaturalGradient(), steps=60, seed=0,
        report_every=1, progress=False,
    ).history  # fmt: skip
    losses = history["training_loss"].values
    assert (np.diff(losses) <= 0).all() and losses[-1] < 1e-2 * losses[0]


def test_what_does_not_fit_is_refused(getkey):
    grid = GridCollocation.random(PROBLEM, 3, getkey())
    with pytest.raises(ClosuraxError, match="takes a Collocation"):
        train_physics_informed(
            network(getkey()), grid, optimiser=NaturalGradient(), steps=1, seed=0, progress=False
        )
    with pytest.raises(ClosuraxError, match="`lengths` = 0"):
        NaturalGradient(lengths=0)

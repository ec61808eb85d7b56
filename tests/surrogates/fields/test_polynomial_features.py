"""Products of Chebyshev polynomials: numpy's, their derivatives, and what they represent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import Chebyshev

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz, jet_at
from closurax.surrogates.fields import LinearField, PolynomialFeatures
from closurax.surrogates.training import Collocation, solve_weights

LOWER, UPPER = (0.0, -1.0, 2.0), (10.0, 1.0, 2.5)


def box(*shape):
    """All degrees of a box, the last axis fastest."""
    return np.indices(shape).reshape(len(shape), -1).T


@pytest.mark.parametrize("shape", [(7, 3, 4), (1, 1, 1), (2, 1, 40)])
def test_values_and_derivatives_are_those_of_numpy(shape, x64):
    features = PolynomialFeatures(LOWER, UPPER, box(*shape))
    points = np.random.default_rng(0).uniform(LOWER, UPPER, (20, 3))
    jets = jax.vmap(features.jet)(jnp.asarray(points))

    def expected(orders):
        factors = []
        for axis, count in enumerate(shape):
            series = [
                Chebyshev.basis(n, domain=(LOWER[axis], UPPER[axis])).deriv(orders[axis])
                for n in range(count)
            ]
            factors.append(np.stack([basis(points[:, axis]) for basis in series], axis=-1))
        return np.einsum("pi,pj,pk->pijk", *factors).reshape(len(points), -1)

    np.testing.assert_allclose(jets.value, expected((0, 0, 0)), rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(jax.vmap(features)(jnp.asarray(points)), jets.value)
    for axis in range(3):
        for found, order in ((jets.gradient, 1), (jets.second, 2)):
            wanted = expected(np.eye(3, dtype=int)[axis] * order)
            scale = max(np.abs(wanted).max(), 1.0)
            np.testing.assert_allclose(found[..., axis], wanted, rtol=0, atol=1e-11 * scale)


def test_jets_are_those_of_automatic_differentiation_at_the_ends_too(x64):
    features = PolynomialFeatures(LOWER, UPPER, box(5, 4, 3))
    for point in (LOWER, UPPER, (3.0, 0.2, 2.1)):
        expected = jet_at(features, jnp.asarray(point))
        jax.tree.map(
            lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-9),
            features.jet(jnp.asarray(point)),
            expected,
        )


def test_solved_weights_converge_faster_than_any_power(x64):
    problem, errors = Helmholtz(1, 1), []
    points = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    for count in (6, 10, 14):
        features = PolynomialFeatures(problem.lower, problem.upper, box(count, count))
        field = LinearField(features, jnp.zeros((count**2, 1)))
        collocation = Collocation.quasi_random(problem, 4 * count**2, 4 * count, seed=0)
        solved = solve_weights(field, collocation.balanced(field)).field
        errors.append(np.abs(jax.vmap(solved)(jnp.asarray(points)) - problem.solution(points)))
    first, second, third = (float(error.max()) for error in errors)
    assert second < 0.05 * first and third < 1e-3 * second and third < 1e-7


def test_single_precision_stays_single():
    jet = PolynomialFeatures((0.0,), (2.0,), box(4)).jet(jnp.asarray([0.5], jnp.float32))
    assert {leaf.dtype for leaf in jax.tree.leaves(jet)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(jet.value, [1, -0.5, -0.5, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0,), (1.0,), box(0)), "at least one feature"),
        (((0.0,), (1.0,), box(3) - 1), "degrees from 0 on"),
        (((0.0,), (1.0,), box(2, 2)), "each of 1 axes"),
        (((0.0, 1.0), (1.0, 1.0), box(2, 2)), "upper"),
    ],
)
def test_boxes_and_degrees_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ClosuraxError, match=message):
        PolynomialFeatures(*arguments)

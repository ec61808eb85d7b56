"""Jets against the matrix of second derivatives, and against the rules of calculus."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.problems import Jet, jet_at, jet_through

POINT = np.array([0.3, -0.7, 1.1])


def one(point):
    x, y, z = point
    return jnp.stack([jnp.sin(x * y) + z**3, jnp.exp(-x) * y * z])


def two(point):
    x, y, z = point
    return jnp.stack([jnp.cos(x + 2 * y - z), x**2 * y / (2 + z)])


def outer(values):
    u, v = values
    return jnp.stack([u * jnp.tanh(v), u**3 - v, jnp.sin(u * v)])


def slow_jet(function, point):
    hessian = jax.hessian(function)(point)
    return Jet(
        function(point), jax.jacobian(function)(point), jnp.diagonal(hessian, axis1=-2, axis2=-1)
    )


def assert_same(jet, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14), jet, expected
    )


def test_jet_of_a_function_has_its_derivatives(x64):
    point = jnp.asarray(POINT)
    assert_same(jet_at(one, point), slow_jet(one, point))


def test_sum_and_product_are_those_of_the_fields(x64):
    point = jnp.asarray(POINT)
    assert_same(jet_at(one, point) + jet_at(two, point), slow_jet(lambda p: one(p) + two(p), point))
    assert_same(jet_at(one, point) * jet_at(two, point), slow_jet(lambda p: one(p) * two(p), point))


def test_chain_rule_through_fewer_fields_than_coordinates(x64):
    point = jnp.asarray(POINT)
    composed = jet_through(outer, jet_at(one, point))
    assert composed.second.shape == (3, 3)
    assert_same(composed, slow_jet(lambda p: outer(one(p)), point))


def test_products_hold_for_many_points_at_once(x64):
    points = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)))
    many = jax.vmap(lambda p: jet_at(one, p))(points) * jax.vmap(lambda p: jet_at(two, p))(points)
    assert many.gradient.shape == (5, 2, 3)
    assert_same(
        jax.tree.map(lambda leaf: leaf[3], many), slow_jet(lambda p: one(p) * two(p), points[3])
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_the_precision(x64, dtype):
    jet = jax.jit(lambda point: jet_at(one, point))(jnp.asarray(POINT, dtype))
    assert {leaf.dtype for leaf in jax.tree.leaves(jet)} == {np.dtype(dtype)}

"""A function of points, in chunks of one size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.surrogates.fields.at_points import at_points


@pytest.mark.parametrize("count", [1, 4, 5, 7, 8])
def test_chunks_change_nothing(count):
    points = jax.random.normal(jax.random.key(0), (count, 3))

    def function(point):
        return {"square": point**2, "sum": jnp.sum(point)}

    found = at_points(function, points, chunk=4)
    expected = jax.vmap(function)(points)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_several_arrays_and_their_gradient():
    points = (jnp.arange(15.0).reshape(5, 3), jnp.arange(5))

    def total(factor):
        return jnp.sum(at_points(lambda each: factor * each[0][each[1] % 3], points, chunk=2))

    value, slope = jax.value_and_grad(total)(2.0)
    expected = sum(float(points[0][row, row % 3]) for row in range(5))
    assert value == 2 * expected and slope == expected


def test_what_is_mapped_is_traced_once():
    traced = []

    @jax.jit
    def squares(points):
        def function(point):
            traced.append(point)
            return point**2

        return at_points(function, points, chunk=4)

    squares(jnp.ones((7, 2)))
    assert len(traced) == 1

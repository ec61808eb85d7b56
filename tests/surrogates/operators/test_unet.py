from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import UNet


@eqx.filter_jit
def apply(operator, fields):
    return operator(fields)


@cache
def network(**options):
    options = {"width": 3, "levels": 3, "convolutions": 1, **options}
    return UNet(2, 3, **options, key=jax.random.key(5))


def test_any_size_in_one_to_three_dimensions():
    for shape in [(100,), (129, 211), (65, 33), (17, 20, 19)]:
        operator = eqx.filter_eval_shape(
            UNet, 2, 3, 4, 5, dimensions=len(shape), key=jax.random.key(0)
        )
        fields = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
        assert eqx.filter_eval_shape(operator, fields).shape == (3, *shape)


def test_commutes_with_periodic_shifts_by_the_coarsest_spacing(getkey):
    operator = network(boundary="periodic")
    fields = jax.random.normal(getkey(), (2, 12, 8))
    expected = jnp.roll(apply(operator, fields), (4, -4), (1, 2))
    result = apply(operator, jnp.roll(fields, (4, -4), (1, 2)))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert float(jnp.std(expected)) > 0.05


def test_without_normal_derivative_equals_the_periodic_map_of_the_even_extension(getkey):
    def symmetrised(kernel):
        for axis in range(kernel.ndim - 2):
            kernel = (kernel + jnp.flip(kernel, axis)) / 2
        return kernel

    def even(operator):
        parts = (operator.down, operator.coarsen, operator.refine, operator.up)
        return eqx.tree_at(
            lambda o: (o.down, o.coarsen, o.refine, o.up),
            operator,
            jtu.tree_map(symmetrised, parts),
        )

    fields = jax.random.normal(getkey(), (2, 8, 8))
    doubled = jnp.concatenate([fields, fields[:, ::-1]], axis=1)
    result = apply(even(network(boundary=("neumann", "periodic"))), fields)
    whole = apply(even(network(boundary="periodic")), doubled)
    np.testing.assert_allclose(result, whole[:, :8], atol=1e-5)


def test_the_boundary_counts(getkey):
    fields = jax.random.normal(getkey(), (2, 12, 12))
    walled, periodic = (apply(network(boundary=b), fields) for b in ("dirichlet", "periodic"))
    assert float(jnp.max(jnp.abs(walled - periodic))) > 0.05


def test_a_single_level_sees_its_neighbours_only(getkey):
    operator = network(levels=1, convolutions=2)
    fields = jax.random.normal(getkey(), (2, 9, 9))
    change = apply(operator, fields.at[:, 4, 4].add(1.0)) - apply(operator, fields)
    changed = np.argwhere(np.any(np.asarray(change) != 0, axis=0))
    assert changed.min() == 2 and changed.max() == 6 and len(changed) == 25


def test_gradients_are_finite_and_reach_everything(getkey):
    operator = network()

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(operator, fields):
        return jnp.mean(operator(fields) ** 2)

    gradients = jtu.tree_leaves(gradient(operator, jax.random.normal(getkey(), (2, 7, 8))))
    assert all(jnp.all(jnp.isfinite(g)) and jnp.any(g != 0) for g in gradients)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"width": 0}, "width"),
        ({"levels": 0}, "levels"),
        ({"convolutions": 0}, "convolutions"),
        ({"boundary": "robin"}, "robin"),
    ],
)
def test_refuses(options, said):
    with pytest.raises(ClosuraxError, match=said):
        network(**options)


@pytest.mark.parametrize(
    "shape, said",
    [((3, 8, 8), "2 channels"), ((2, 8), "2 axes"), ((2, 8, 2), "at least 3 points")],
)
def test_refuses_other_fields(shape, said):
    with pytest.raises(GridMismatchError, match=said):
        network()(jnp.zeros(shape))


def test_takes_the_smallest_grid_that_it_says():
    assert network()(jnp.zeros((2, 3, 3))).shape == (3, 3, 3)

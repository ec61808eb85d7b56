from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import DeepONet


@cache
def network(shape=(8, 6), **options):
    options = {"width": 4, "depth": 3, "basis": 5, "halvings": 2, **options}
    return DeepONet(shape, 2, 3, **options, key=jax.random.key(6))


@eqx.filter_jit
def apply(operator, fields):
    return jax.vmap(operator)(fields)


@pytest.mark.parametrize("shape", [(16,), (13, 9), (6, 8, 7), (1, 3)])
def test_one_to_three_dimensions(shape):
    operator = eqx.filter_eval_shape(DeepONet, shape, 2, 3, key=jax.random.key(0))
    fields = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    assert eqx.filter_eval_shape(operator, fields).shape == (3, *shape)


def test_outputs_are_combinations_of_a_few_functions(getkey):
    operator = eqx.tree_at(lambda o: o.bias, network(), jnp.asarray([1.0, -2.0, 0.5]))
    outputs = apply(operator, 3 * jax.random.normal(getkey(), (20, 2, 8, 6)))
    deviations = np.asarray(outputs - operator.bias[:, None, None][None], float)
    # The same five functions for all channels.
    singular = np.linalg.svd(deviations.reshape(60, 48), compute_uv=False)
    assert singular[4] > 1e-3 * singular[0]
    assert singular[5] < 1e-5 * singular[0]


def test_the_trunk_knows_the_points_and_the_branch_the_whole_field(getkey):
    fields = jax.random.normal(getkey(), (2, 8, 6))

    def value(fields):
        return network()(fields)[0, 7, 0]

    slope = jax.jit(jax.grad(value))(fields)
    assert jnp.all(slope != 0)
    constant = network()(jnp.ones((2, 8, 6)))
    assert float(jnp.min(jnp.std(constant, axis=(1, 2)))) > 1e-3


def test_layouts_differ_in_the_coordinates(getkey):
    fields = jax.random.normal(getkey(), (2, 8, 6))
    cells, nodes = (network(layout=layout)(fields) for layout in ("cells", "nodes"))
    assert float(jnp.max(jnp.abs(cells - nodes))) > 1e-3


def test_gradients_are_finite_and_reach_everything(getkey):
    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(operator, fields):
        return jnp.mean(operator(fields) ** 2)

    gradients = jtu.tree_leaves(gradient(network(), jax.random.normal(getkey(), (2, 8, 6))))
    assert all(jnp.all(jnp.isfinite(g)) and jnp.any(g != 0) for g in gradients)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"width": 0}, "width"),
        ({"basis": 0}, "basis"),
        ({"halvings": -1}, "halvings"),
        ({"layout": "edges"}, "layout"),
        ({"shape": ()}, "shape"),
        ({"shape": (4, 4, 4, 4)}, "shape"),
    ],
)
def test_refuses(options, said):
    with pytest.raises(ClosuraxError, match=said):
        network(**options)


@pytest.mark.parametrize(
    "shape, said", [((3, 8, 6), "2 channels"), ((2, 8), "2 axes"), ((2, 8, 8), r"\(8, 6\) grid")]
)
def test_refuses_other_fields(shape, said):
    with pytest.raises(GridMismatchError, match=said):
        network()(jnp.zeros(shape))

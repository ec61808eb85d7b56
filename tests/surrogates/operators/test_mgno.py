from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
import scipy.signal
import scipy.special

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import MgNO

RELEASED = {"layout": "released", "boundary": "zero", "restricted": "right-hand side"}


@eqx.filter_jit
def apply(operator, fields):
    return operator(fields)


@cache
def network(**options):
    options = {"width": 4, "depth": 2, "before": (1, 1, 2), **options}
    return MgNO(2, 3, **options, key=jax.random.key(2))


def close(result, expected):
    scale = float(np.max(np.abs(expected)))
    assert scale > 1e-3
    np.testing.assert_allclose(result, expected, atol=1e-5 * scale)


@pytest.mark.parametrize("depth, count", [(4, 572_661), (5, 738_573)])
def test_as_many_parameters_as_the_released_network(depth, count):
    operator = eqx.filter_eval_shape(MgNO, 1, 1, 24, depth, **RELEASED, key=jax.random.key(0))
    assert sum(leaf.size for leaf in jtu.tree_leaves(operator) if hasattr(leaf, "size")) == count


def convolved(field, kernel, stride=1):
    """With zeros around, as torch has it: three taps an axis, padding one."""
    padded = np.pad(field, [(1, 1), (1, 1), (0, 0)])
    return np.stack(
        [
            sum(
                scipy.signal.correlate(padded[..., i], kernel[..., i, o], mode="valid")
                for i in range(kernel.shape[2])
            )[::stride, ::stride]
            for o in range(kernel.shape[3])
        ],
        axis=-1,
    )


def transposed(field, kernel):
    """Four taps an axis, stride two, padding one."""
    nx, ny, _ = field.shape
    everywhere = np.zeros((2 * nx + 2, 2 * ny + 2, kernel.shape[3]))
    for i, j in np.ndindex(nx, ny):
        for a, b in np.ndindex(4, 4):
            everywhere[2 * i + a, 2 * j + b] += field[i, j] @ kernel[a, b]
    return everywhere[1:-1, 1:-1]


def released_cycle(cycle, right):
    """The multigrid layer of the released code for smoothing steps 1, 1, 2, written out."""
    (s1,), (s2,), (s3, s4) = cycle.solves
    _, (a2,), (a3, a4) = cycle.applies
    (r1, r2), (pi1, pi2), (p1, p2) = cycle.restrict_right, cycle.restrict_solution, cycle.prolong
    u1 = convolved(right, s1)
    f2, u2 = convolved(right, r1, 2), convolved(u1, pi1, 2)
    u2 = u2 + convolved(f2 - convolved(u2, a2), s2)
    f3, u3 = convolved(f2, r2, 2), convolved(u2, pi2, 2)
    u3 = u3 + convolved(f3 - convolved(u3, a3), s3)
    u3 = u3 + convolved(f3 - convolved(u3, a4), s4)
    u2 = u2 + transposed(u3, p2)
    return u1 + transposed(u2, p1)


def test_released_mode_equals_the_sums_written_out(getkey):
    operator = network(**RELEASED)
    biases = tuple(jax.random.normal(getkey(), b.shape) for b in operator.biases)
    operator = eqx.tree_at(lambda o: o.biases, operator, biases)
    fields = jax.random.normal(getkey(), (2, 16, 12))
    slow = jtu.tree_map(lambda x: np.asarray(x, float), eqx.filter(operator, eqx.is_array))
    hidden = np.moveaxis(np.asarray(fields, float), 0, -1)
    for cycle, pointwise, bias in zip(slow.cycles, slow.pointwise, slow.biases, strict=True):
        linear = released_cycle(cycle, hidden) + hidden @ pointwise + bias
        hidden = linear * (1 + scipy.special.erf(linear / 2**0.5)) / 2
    close(apply(operator, fields), np.moveaxis(hidden @ slow.head, -1, 0))


@pytest.mark.parametrize("layout", ["cells", "nodes"])
def test_commutes_with_periodic_shifts_by_the_coarsest_spacing(getkey, layout):
    operator = network(boundary="periodic", layout=layout)
    fields = jax.random.normal(getkey(), (2, 16, 24))
    expected = jnp.roll(apply(operator, fields), (8, -4), (1, 2))
    close(apply(operator, jnp.roll(fields, (8, -4), (1, 2))), expected)


@pytest.mark.parametrize("layout, size", [("cells", 8), ("nodes", 9)])
def test_without_normal_derivative_equals_the_periodic_map_of_the_even_extension(
    getkey, layout, size
):
    def mean_over_reflections(kernel):
        for axis in range(kernel.ndim - 2):
            kernel = (kernel + jnp.flip(kernel, axis)) / 2
        return kernel

    def symmetrised(operator):
        cycles = jtu.tree_map(mean_over_reflections, operator.cycles)
        return eqx.tree_at(lambda o: o.cycles, operator, cycles)

    walled = symmetrised(network(boundary="neumann", layout=layout))
    periodic = symmetrised(network(boundary="periodic", layout=layout))
    fields = jax.random.normal(getkey(), (2, size, size))
    inner = slice(None) if layout == "cells" else slice(1, -1)
    doubled = jnp.concatenate([fields, fields[:, inner][:, ::-1]], axis=1)
    doubled = jnp.concatenate([doubled, doubled[:, :, inner][:, :, ::-1]], axis=2)
    close(apply(walled, fields), apply(periodic, doubled)[:, :size, :size])


@pytest.mark.parametrize("shape", [(100,), (129, 211), (65, 33), (33, 40, 35)])
@pytest.mark.parametrize("layout", ["cells", "nodes", "released"])
def test_any_size_in_one_to_three_dimensions(shape, layout):
    operator = eqx.filter_eval_shape(
        MgNO, 2, 3, 4, 2, layout=layout, dimensions=len(shape), key=jax.random.key(0)
    )
    fields = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    assert eqx.filter_eval_shape(operator, fields).shape == (3, *shape)


def test_biases_can_be_functions(getkey):
    operator = network(bias_shape=(8, 6), boundary="periodic")
    assert [bias.shape for bias in operator.biases] == [(8, 6, 4)] * 2
    # The last bias acts where it is, and through the activation and the head only.
    moved = eqx.tree_at(lambda o: o.biases[1], operator, operator.biases[1].at[2, 3].add(1.0))
    fields = jax.random.normal(getkey(), (2, 8, 6))
    change = apply(moved, fields) - apply(operator, fields)
    changed = np.argwhere(np.any(np.asarray(change) != 0, axis=0))
    np.testing.assert_array_equal(changed, [[2, 3]])


def test_gradients_equal_finite_differences(x64, getkey):
    operator = MgNO(
        1, 1, 2, 2, before=(1, 2), boundary=["dirichlet", ("neumann", "dirichlet")], key=getkey()
    )
    fields = jax.random.normal(getkey(), (1, 5, 6))
    parameters, static = eqx.partition(operator, eqx.is_array)
    direction = jtu.tree_map(lambda x: jax.random.normal(getkey(), x.shape), parameters)

    @jax.jit
    def along(step):
        moved = jtu.tree_map(lambda x, d: x + step * d, parameters, direction)
        return jnp.sum(jnp.sin(eqx.combine(moved, static)(fields * (1 + step))))

    derivative = float(jax.jit(jax.grad(along))(0.0))
    step = 1e-5
    difference = float(along(step) - along(-step)) / (2 * step)
    assert abs(derivative) > 1e-3
    assert derivative == pytest.approx(difference, rel=1e-6)


def test_gradients_are_finite_in_single_precision(getkey):
    operator = network(restricted="residual", after=(1, 1, 0), layout="nodes")

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(operator, fields):
        return jnp.mean(operator(fields) ** 2)

    gradients = jtu.tree_leaves(gradient(operator, jax.random.normal(getkey(), (2, 9, 7))))
    assert len(gradients) == len(jtu.tree_leaves(eqx.filter(operator, eqx.is_array)))
    assert all(jnp.all(jnp.isfinite(g)) and jnp.any(g != 0) for g in gradients)


@pytest.mark.parametrize("options, said", [({"width": 0}, "width"), ({"depth": 0}, "depth")])
def test_refuses(options, said):
    with pytest.raises(ClosuraxError, match=said):
        network(**options)


@pytest.mark.parametrize(
    "shape, said", [((3, 8, 8), "2 channels"), ((2, 8), "2 axes"), ((2, 8, 2), "2 points")]
)
def test_refuses_other_fields(shape, said):
    with pytest.raises(GridMismatchError, match=said):
        network()(jnp.zeros(shape))

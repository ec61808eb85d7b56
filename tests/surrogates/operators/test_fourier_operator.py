from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import FNO, FactorisedFNO

OPERATORS = [FNO, FactorisedFNO]


@eqx.filter_jit
def apply(operator, fields):
    return operator(fields)


@cache
def network(cls, **options):
    options = {"width": 8, "depth": 2, "modes": 4, **options}
    operator = cls(2, 3, **options, key=jax.random.key(4))
    # The spectral part is small at first; here it should count.
    return eqx.tree_at(
        lambda o: jtu.tree_leaves(o.spectral), operator, replace_fn=lambda kernel: 5 * kernel
    )


def smooth(sizes):
    x, y = np.meshgrid(*(2 * np.pi * np.arange(size) / size for size in sizes), indexing="ij")
    fields = np.stack([np.sin(x + 2 * y), np.cos(x) * np.sin(y) + np.cos(2 * x)])
    return jnp.asarray(fields, jnp.float32)


@pytest.mark.parametrize("cls", OPERATORS)
def test_any_size_in_one_to_three_dimensions(cls):
    for shape in [(7,), (40, 33), (3, 5), (12, 9, 10)]:
        operator = eqx.filter_eval_shape(
            cls, 2, 3, 8, 2, modes=4, padding=0.2, dimensions=len(shape), key=jax.random.key(0)
        )
        fields = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
        assert eqx.filter_eval_shape(operator, fields).shape == (3, *shape)


@pytest.mark.parametrize("cls", OPERATORS)
def test_commutes_with_shifts(cls, getkey):
    fields = jax.random.normal(getkey(), (2, 9, 12))
    expected = jnp.roll(apply(network(cls), fields), (2, -5), (1, 2))
    result = apply(network(cls), jnp.roll(fields, (2, -5), (1, 2)))
    np.testing.assert_allclose(result, expected, atol=2e-5)
    assert float(jnp.std(expected)) > 0.1


@pytest.mark.parametrize("cls", OPERATORS)
def test_hardly_depends_on_the_grid(cls):
    # Smooth periodic functions: only what the activation puts beyond the grid is lost.
    coarse, fine = (apply(network(cls), smooth((n, n))) for n in (32, 64))
    error = jnp.max(jnp.abs(coarse - fine[:, ::2, ::2]))
    # The ReLU has a kink, whose Fourier coefficients decay slowly.
    assert error < {FNO: 1e-4, FactorisedFNO: 2e-2}[cls] * float(jnp.max(jnp.abs(fine)))


@pytest.mark.parametrize("cls", OPERATORS)
def test_padding_is_a_fraction_of_the_domain(cls):
    # The jumps at the padding leave an error of first order, which the grid refines away; with
    # a number of points instead the domain would differ, by half of the padding.
    padded = network(cls, padding=0.25)
    coarse, medium, fine = (apply(padded, smooth((n, n))) for n in (16, 32, 64))
    first = float(jnp.linalg.norm(coarse - medium[:, ::2, ::2])) / 16
    second = float(jnp.linalg.norm(medium - fine[:, ::2, ::2])) / 32
    assert second < 0.65 * first
    unpadded = apply(network(cls), smooth((64, 64)))
    assert float(jnp.linalg.norm(unpadded - fine)) / 64 > 2 * second


@pytest.mark.parametrize("cls", OPERATORS)
def test_padding_ends_the_periodicity(cls, getkey):
    fields = jax.random.normal(getkey(), (2, 8, 8))
    padded = network(cls, padding=(0.0, 0.5))
    result = apply(padded, fields)
    rolled = apply(padded, jnp.roll(fields, 3, 1))
    np.testing.assert_allclose(rolled, jnp.roll(result, 3, 1), atol=2e-5)
    assert jnp.max(jnp.abs(apply(padded, jnp.roll(fields, 3, 2)) - jnp.roll(result, 3, 2))) > 0.01


def test_as_many_parameters_as_the_usual_network():
    # 12 modes of both signs times 12, width 32, three inputs of which two are coordinates.
    operator = eqx.filter_eval_shape(FNO, 3, 1, 32, 4, modes=12, key=jax.random.key(0))
    leaves = [leaf for leaf in jtu.tree_leaves(operator) if hasattr(leaf, "dtype")]
    assert sum(leaf.size for leaf in leaves) == 2_368_001
    # Complex numbers count as two, and are stored so.
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)


def test_factorised_has_parameters_for_one_axis_at_a_time():
    def count(**options):
        operator = eqx.filter_eval_shape(FactorisedFNO, **options, key=jax.random.key(0))
        leaves = jtu.tree_leaves(operator.spectral)
        return sum(leaf.size for leaf in leaves if hasattr(leaf, "size"))

    assert count(width=8, depth=3, modes=(5, 7)) == 3 * (5 + 7) * 8 * 8 * 2
    assert count(width=8, depth=3, modes=5, dimensions=3) == 3 * 3 * 5 * 8 * 8 * 2


def test_factorised_sums_the_convolutions_along_each_axis():
    # A wave is multiplied by the sum of the two factors at its wavenumbers.
    operator = FactorisedFNO(1, 1, 1, 1, modes=(3, 4), expansion=2, key=jax.random.key(0))
    one, zero = jnp.ones((1, 1)), jnp.zeros(1)
    first, second = jnp.asarray([[1.0], [-1.0]]), jnp.asarray([[1.0, -1.0]])
    operator = eqx.tree_at(
        lambda o: (
            o.lift.kernel,
            o.lift.bias,
            o.project.kernel,
            o.project.bias,
            o.feed_forward[0][0].kernel,
            o.feed_forward[0][1].kernel,
        ),
        operator,
        (one, zero, one, zero, first, second),
    )  # max(x, 0) - max(-x, 0) = x
    x, y = np.meshgrid(np.arange(10) / 10, np.arange(9) / 9, indexing="ij")
    along_x, along_y = (
        np.asarray(convolution.kernel, float) @ np.array([1, 1j])
        for convolution in operator.spectral[0]
    )
    wave = np.exp(2j * np.pi * (2 * x + 3 * y))
    expected = ((1 + along_x[2, 0, 0] + along_y[3, 0, 0]) * wave).real
    result = apply(operator, jnp.asarray(wave.real[None], jnp.float32))
    np.testing.assert_allclose(result[0], expected, atol=1e-5)


@pytest.mark.parametrize("cls", OPERATORS)
def test_gradients_equal_finite_differences(cls, x64, getkey):
    operator = cls(1, 1, 3, 2, modes=(2, 3), padding=0.4, key=getkey())
    fields = jax.random.normal(getkey(), (1, 5, 6))
    parameters, static = eqx.partition(operator, eqx.is_array)
    direction = jtu.tree_map(lambda x: jax.random.normal(getkey(), x.shape), parameters)

    @jax.jit
    def along(step):
        moved = jtu.tree_map(lambda x, d: x + step * d, parameters, direction)
        return jnp.sum(jnp.sin(eqx.combine(moved, static)(fields * (1 + step))))

    derivative, step = float(jax.jit(jax.grad(along))(0.0)), 1e-6
    difference = float(along(step) - along(-step)) / (2 * step)
    assert abs(derivative) > 1e-3
    assert derivative == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("cls", OPERATORS)
@pytest.mark.parametrize(
    "options, said",
    [
        ({"width": 0}, "width"),
        ({"depth": 0}, "depth"),
        ({"modes": 0}, "modes"),
        ({"modes": (4, 4, 4)}, "modes"),
        ({"padding": -0.1}, "padding"),
        ({"dimensions": 4}, "dimensions"),
    ],
)
def test_refuses(cls, options, said):
    with pytest.raises(ClosuraxError, match=said):
        cls(**options, key=jax.random.key(0))


@pytest.mark.parametrize("cls", OPERATORS)
@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8), (2, 8, 8, 8)])
def test_refuses_other_fields(cls, shape):
    with pytest.raises(GridMismatchError, match="2 channels"):
        network(cls)(jnp.zeros(shape))

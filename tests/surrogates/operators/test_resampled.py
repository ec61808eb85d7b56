import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.surrogates.operators import FNO, AbstractOperator, Resampled


@eqx.filter_jit
def apply(operator, fields):
    return operator(fields)


class Seen(AbstractOperator):
    """Returns a function that it knows, whatever the inputs, or else the inputs."""

    shape: tuple[int, ...] = eqx.field(static=True)
    function: object = eqx.field(static=True, default=None)
    in_channels: int = eqx.field(static=True, default=1)
    out_channels: int = eqx.field(static=True, default=1)

    def __call__(self, fields):
        assert fields.shape == (1, *self.shape)
        return fields if self.function is None else sampled(self.function, self.shape)


def sampled(function, shape):
    centres = np.meshgrid(*((np.arange(n) + 0.5) / n for n in shape), indexing="ij")
    return jnp.asarray(function(*centres)[None])


def zero_on_sides(x, y):
    return np.sin(np.pi * x) * np.sin(2 * np.pi * y) * np.exp(np.cos(2 * np.pi * x))


def curved_at_sides(x, y):
    return x * (1 - x) * np.sin(np.pi * y)


def flat_on_sides(x, y):
    return np.exp(np.cos(np.pi * x) + np.cos(2 * np.pi * y))


def periodic(x, y):
    return np.exp(np.cos(2 * np.pi * x) + np.sin(2 * np.pi * y))


def mixed(x, y):
    return np.sin(np.pi * x / 2) * np.exp(np.sin(2 * np.pi * y))


@pytest.mark.parametrize(
    "boundary, function",
    [
        ("dirichlet", zero_on_sides),
        ("neumann", flat_on_sides),
        ("periodic", periodic),
        ([("dirichlet", "neumann"), "periodic"], mixed),
    ],
    ids=["dirichlet", "neumann", "periodic", "mixed"],
)
@pytest.mark.parametrize("factor", [4, 2.5, 0.75])
def test_interpolation_of_third_order_up_to_the_sides(x64, boundary, function, factor):
    errors = []
    for n in (32, 64):
        operator = Resampled(Seen((n, n), function), (n, n), boundary)
        shape = (int(factor * n), int(factor * n))
        result = apply(operator, jnp.zeros((1, *shape)))
        errors.append(float(jnp.max(jnp.abs(result - sampled(function, shape)))))
    assert errors[1] < 1e-3
    assert np.log2(errors[0] / errors[1]) > 2.7


def test_second_order_where_the_odd_extension_has_a_kink_in_its_slope(x64):
    errors = []
    for n in (16, 32):
        operator = Resampled(Seen((n, n), curved_at_sides), (n, n), "dirichlet")
        result = apply(operator, jnp.zeros((1, 4 * n, 4 * n)))
        errors.append(float(jnp.max(jnp.abs(result - sampled(curved_at_sides, (4 * n, 4 * n))))))
    assert 1.8 < np.log2(errors[0] / errors[1]) < 2.2


def test_another_boundary_condition_costs_accuracy_at_the_sides(x64):
    exact = sampled(zero_on_sides, (64, 64))

    def error(boundary):
        operator = Resampled(Seen((16, 16), zero_on_sides), (16, 16), boundary)
        return float(jnp.max(jnp.abs(apply(operator, jnp.zeros_like(exact)) - exact)))

    assert error("neumann") > 5 * error("dirichlet")


class Returned(AbstractOperator):
    """Returns fields that it has."""

    fields: jax.Array
    in_channels: int = eqx.field(static=True, default=2)
    out_channels: int = eqx.field(static=True, default=2)

    def __call__(self, fields):
        return self.fields


class Recorder(AbstractOperator):
    """Keeps what it is given."""

    seen: list = eqx.field(static=True)
    in_channels: int = eqx.field(static=True, default=1)
    out_channels: int = eqx.field(static=True, default=1)

    def __call__(self, fields):
        jax.debug.callback(self.seen.append, fields)
        return fields


def given(fields, shape, **options):
    recorder = Recorder([])
    result = jax.jit(Resampled(recorder, shape, **options).__call__)(fields)
    assert result.shape == fields.shape
    jax.effects_barrier()
    return np.asarray(recorder.seen[0])


def test_inputs_are_block_means(getkey):
    fields = jax.random.normal(getkey(), (1, 12, 6))
    expected = np.asarray(fields).reshape(1, 4, 3, 3, 2).mean((2, 4))
    np.testing.assert_allclose(given(fields, (4, 3)), expected, atol=1e-6)


def test_means_over_cells_that_do_not_fit(getkey):
    fields = jax.random.normal(getkey(), (1, 5, 4))
    weights = np.array([[1, 1, 1 / 2, 0, 0], [0, 0, 1 / 2, 1, 1]]) / 2.5
    expected = np.einsum("ij,cjk->cik", weights, np.asarray(fields))
    np.testing.assert_allclose(given(fields, (2, 4)), expected, atol=1e-6)


def test_sub_grids_are_every_so_many_points_from_each_of_the_first(getkey):
    class Cubes(AbstractOperator):
        in_channels: int = 2
        out_channels: int = 2

        def __call__(self, fields):
            assert fields.shape == (2, 3, 4)
            return fields**3

    fields = jax.random.normal(getkey(), (2, 6, 12))
    parts = [fields[:, i::2, j::3] ** 3 for i in range(2) for j in range(3)]
    cubed = Resampled(Cubes(), (3, 4), "periodic", "sub-grids")
    expected = Resampled(Returned(sum(parts) / 6), (3, 4), "periodic")
    np.testing.assert_allclose(apply(cubed, fields), apply(expected, fields), atol=1e-5)


def test_sub_grids_keep_the_values_of_jumps(getkey):
    jumps = jnp.sign(jax.random.normal(getkey(), (1, 8, 8)))
    recorder = Recorder([])
    jax.jit(Resampled(recorder, (4, 4), coarsening="sub-grids").__call__)(jumps)
    jax.effects_barrier()
    assert len(recorder.seen) == 4
    assert np.all(np.abs(recorder.seen) == 1)


@pytest.mark.parametrize("shape", [(3, 4), (5, 7), (9, 8), (17, 12)])
def test_inputs_keep_their_range_and_refining_and_coarsening_keep_constants(getkey, shape):
    jumps = jnp.sign(jax.random.normal(getkey(), (1, 9, 8)))
    seen = given(jumps, shape)
    assert seen.shape == (1, *shape) and np.abs(seen).max() <= 1 + 1e-6
    constant = jnp.full((1, 9, 8), 2.5)
    np.testing.assert_allclose(given(constant, shape), 2.5, rtol=1e-6)
    result = apply(Resampled(Seen(shape), shape), constant)
    np.testing.assert_allclose(result, 2.5, rtol=1e-6)


def test_inputs_from_coarser_grids_are_interpolated_linearly_across_periodic_sides():
    fields = jnp.asarray([[0.0, 4.0]])
    np.testing.assert_allclose(given(fields, (4,), boundary="periodic")[0], [1, 1, 3, 3])
    np.testing.assert_allclose(given(fields, (4,), boundary="dirichlet")[0], [0, 1, 3, 4])


def test_equals_the_operator_on_its_own_grid(getkey):
    operator = FNO(2, 3, 4, 1, modes=2, key=getkey())
    resampled = Resampled(operator, (8, 6))
    fields = jax.random.normal(getkey(), (2, 8, 6))
    np.testing.assert_array_equal(apply(resampled, fields), apply(operator, fields))
    assert (resampled.in_channels, resampled.out_channels) == (2, 3)


def test_under_jit_vmap_and_grad(getkey):
    resampled = Resampled(FNO(2, 3, 4, 1, modes=2, key=getkey()), (8, 6), "dirichlet")

    @jax.jit
    @jax.grad
    def gradient(fields):
        return jnp.sum(jax.vmap(resampled)(fields) ** 2)

    slope = gradient(jax.random.normal(getkey(), (2, 2, 16, 5)))
    assert slope.shape == (2, 2, 16, 5)
    assert jnp.all(jnp.isfinite(slope)) and jnp.all(slope != 0)


def test_three_dimensions():
    result = apply(Resampled(Seen((4, 3, 5)), (4, 3, 5)), jnp.ones((1, 8, 5, 4)))
    np.testing.assert_allclose(result, np.ones((1, 8, 5, 4)), rtol=1e-6)


def test_refuses():
    with pytest.raises(ClosuraxError, match="shape"):
        Resampled(Seen((4,)), ())
    with pytest.raises(ClosuraxError, match="robin"):
        Resampled(Seen((4,)), (4,), "robin")
    with pytest.raises(GridMismatchError, match="sub-grids of \\(4,\\)"):
        Resampled(Seen((4,)), (4,), coarsening="sub-grids")(jnp.zeros((1, 6)))
    with pytest.raises(GridMismatchError, match="1 axes"):
        Resampled(Seen((4,)), (4,))(jnp.zeros((1, 4, 4)))

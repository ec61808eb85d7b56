"""The grid's operators against analysis on trigonometric polynomials."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from closurax.physics.errors import GridMismatchError
from closurax.physics.spectral import SpectralGrid, from_real_view, to_real_view

RECTANGLE = dict(nx=16, ny=24, length_x=2 * np.pi, length_y=3 * np.pi)

even_sizes = st.integers(2, 12).map(lambda half: 2 * half)
lengths = st.floats(0.1, 1e6)
seeds = st.integers(0, 2**31)


def random_field(grid, seed):
    return np.random.default_rng(seed).normal(size=grid.shape)


@pytest.mark.parametrize("m, n", [(1, 0), (0, 2), (3, 5), (-7, 11), (5, -4)])
def test_derivatives_of_a_wave_are_exact(x64, m, n):
    grid = SpectralGrid(**RECTANGLE)
    k_x, k_y = m * 2 * np.pi / grid.length_x, n * 2 * np.pi / grid.length_y
    phase = k_x * grid.x[:, None] + k_y * grid.y[None, :] + 0.3
    wave_hat = grid.to_spectral(jnp.asarray(np.cos(phase)))

    def physical(field_hat):
        return np.asarray(grid.to_physical(field_hat))

    np.testing.assert_allclose(
        physical(grid.derivative_x(wave_hat)), -k_x * np.sin(phase), atol=1e-12
    )
    np.testing.assert_allclose(
        physical(grid.derivative_y(wave_hat)), -k_y * np.sin(phase), atol=1e-12
    )
    np.testing.assert_allclose(
        physical(grid.laplacian(wave_hat)), -(k_x**2 + k_y**2) * np.cos(phase), atol=1e-11
    )
    np.testing.assert_allclose(
        physical(grid.inverse_laplacian(wave_hat)), -np.cos(phase) / (k_x**2 + k_y**2), atol=1e-13
    )


@settings(max_examples=5)
@given(nx=even_sizes, ny=even_sizes, length_x=lengths, length_y=lengths, seed=seeds)
def test_shapes_transforms_and_parseval(nx, ny, length_x, length_y, seed):
    grid = SpectralGrid(nx, ny, length_x, length_y)
    field = jnp.asarray(random_field(grid, seed), jnp.float32)
    field_hat = grid.to_spectral(field)
    assert field_hat.shape == grid.spectral_shape and field_hat.dtype == jnp.complex64
    back = grid.to_physical(field_hat)
    assert back.shape == grid.shape and back.dtype == jnp.float32
    np.testing.assert_allclose(back, field, atol=1e-5)
    np.testing.assert_allclose(from_real_view(to_real_view(field_hat)), field_hat)
    mean_square = np.sum(grid.parseval_weight * np.abs(np.asarray(field_hat, complex)) ** 2)
    np.testing.assert_allclose(mean_square, np.mean(np.asarray(field, float) ** 2), rtol=1e-5)
    assert np.isclose(grid.spacing**2 * nx * ny, grid.area)


@settings(max_examples=5)
@given(nx=even_sizes, ny=even_sizes, seed=seeds)
def test_inverse_laplacian_undoes_the_laplacian_but_for_the_mean(nx, ny, seed):
    grid = SpectralGrid(nx, ny, 2.0, 3.0)
    field = random_field(grid, seed)
    back = grid.to_physical(
        grid.inverse_laplacian(grid.laplacian(grid.to_spectral(jnp.asarray(field, jnp.float32))))
    )
    np.testing.assert_allclose(back, field - field.mean(), atol=2e-5)


@settings(max_examples=5)
@given(nx=even_sizes, ny=even_sizes)
def test_resolved_wavenumbers_are_those_whose_products_do_not_alias(nx, ny):
    grid = SpectralGrid(nx, ny)
    for size, modes in (
        (nx, np.abs(grid.mode_x[grid.resolved.any(axis=1)])),
        (ny, grid.mode_y[:, grid.resolved.any(axis=0)]),
    ):
        largest = modes.max()
        # The largest sum of two, 2 m, must alias to beyond m; a cutoff of m + 1 would not do so.
        assert size - 2 * largest > largest
        assert size - 2 * (largest + 1) <= largest + 1
    truncated = grid.truncate(jnp.ones(grid.spectral_shape, jnp.complex64))
    np.testing.assert_array_equal(np.asarray(truncated) != 0, grid.resolved)


def test_derivative_of_the_nyquist_mode_is_zero():
    grid = SpectralGrid(8)
    sawtooth_hat = grid.to_spectral(jnp.asarray(np.tile([[1.0], [-1.0]], (4, 8)), jnp.float32))
    assert np.abs(sawtooth_hat).max() == 64
    assert np.abs(grid.derivative_x(sawtooth_hat)).max() == 0


def test_operators_act_on_batches():
    grid = SpectralGrid(**RECTANGLE)
    fields = jnp.asarray(np.stack([random_field(grid, seed) for seed in range(6)]), jnp.float32)
    batch = fields.reshape(2, 3, *grid.shape)
    together = grid.to_physical(grid.derivative_y(grid.to_spectral(batch)))
    one = grid.to_physical(grid.derivative_y(grid.to_spectral(fields[4])))
    np.testing.assert_allclose(together[1, 1], one, atol=1e-5)


def test_wrong_sizes_are_refused():
    grid = SpectralGrid(16, 24)
    with pytest.raises(GridMismatchError, match="vorticity has shape"):
        grid.check(np.zeros((24, 16)), "vorticity")
    with pytest.raises(GridMismatchError, match="16 x 24"):
        grid.to_spectral(jnp.zeros((3, 16, 16)))
    for bad in ({"nx": 15}, {"nx": 16, "ny": 2}, {"nx": 16, "length_x": 0.0}):
        with pytest.raises(GridMismatchError):
            SpectralGrid(**bad)

"""The interval's operators against analysis on trigonometric polynomials."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from closurax.physics.errors import GridMismatchError
from closurax.physics.spectral import PeriodicInterval

INTERVAL = PeriodicInterval(24, 3 * np.pi)


@pytest.mark.parametrize("mode", [1, 5, 11])
def test_derivatives_of_a_wave_are_exact(x64, mode):
    k = mode * 2 * np.pi / INTERVAL.length
    phase = k * INTERVAL.x + 0.3
    wave_hat = INTERVAL.to_spectral(np.cos(phase))
    for operator, expected in (
        (INTERVAL.derivative, -k * np.sin(phase)),
        (INTERVAL.laplacian, -(k**2) * np.cos(phase)),
        (INTERVAL.inverse_laplacian, -np.cos(phase) / k**2),
    ):
        np.testing.assert_allclose(INTERVAL.to_physical(operator(wave_hat)), expected, atol=1e-11)


def test_the_nyquist_mode_has_no_derivative(x64):
    sawtooth = np.cos(np.pi * np.arange(INTERVAL.n))
    slope = INTERVAL.to_physical(INTERVAL.derivative(INTERVAL.to_spectral(sawtooth)))
    assert np.all(np.asarray(slope) == 0)


@settings(max_examples=5)
@given(
    n=st.integers(2, 24).map(lambda half: 2 * half),
    length=st.floats(0.1, 1e6),
    seed=st.integers(0, 2**31),
)
def test_shapes_transforms_and_parseval(n, length, seed):
    interval = PeriodicInterval(n, length)
    fields = jnp.asarray(np.random.default_rng(seed).normal(size=(2, n)), jnp.float32)
    fields_hat = interval.to_spectral(fields)
    assert fields_hat.shape == (2, *interval.spectral_shape) and fields_hat.dtype == jnp.complex64
    back = interval.to_physical(fields_hat)
    assert back.shape == (2, *interval.shape) and back.dtype == jnp.float32
    np.testing.assert_allclose(back, fields, atol=1e-5)
    mean_square = np.sum(interval.parseval_weight * np.abs(fields_hat[0]) ** 2)
    np.testing.assert_allclose(mean_square, np.mean(np.asarray(fields[0]) ** 2), rtol=1e-5)
    assert np.isclose(interval.spacing * n, length)


@pytest.mark.parametrize("n", [4, 6, 8, 10, 16, 48])
def test_products_of_resolved_fields_are_free_of_aliasing(x64, n):
    interval, fine = PeriodicInterval(n), PeriodicInterval(4 * n)
    highest = int(interval.mode[interval.resolved].max())
    modes = np.arange(1, highest + 1)
    phases = np.random.default_rng(n).uniform(0, 6, modes.size)

    def square_hat(grid):
        field = np.cos(np.outer(grid.x, modes) + phases).sum(axis=1)
        return np.asarray(grid.to_spectral(field**2))[: highest + 1] / grid.n

    np.testing.assert_allclose(square_hat(interval), square_hat(fine), atol=1e-13)
    assert 3 * highest < n <= 3 * (highest + 1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(GridMismatchError, match="even size of at least 4, not 7"):
        PeriodicInterval(7)
    with pytest.raises(GridMismatchError, match="must be positive: -1"):
        PeriodicInterval(8, -1.0)
    with pytest.raises(GridMismatchError, match="tracer has shape .* has 24 points"):
        INTERVAL.check(np.zeros(8), "tracer")

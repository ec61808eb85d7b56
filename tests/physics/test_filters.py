"""Filters and coarse-graining on fields whose filtered form is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from closurax.physics.errors import GridMismatchError
from closurax.physics.spectral import (
    SpectralGrid,
    coarsen,
    gaussian_filter,
    sharp_filter,
    spectral_resample,
)

FINE = SpectralGrid(32, 24, 2 * np.pi, 3 * np.pi)
COARSE = SpectralGrid(16, 12, 2 * np.pi, 3 * np.pi)


def wave(grid, m, n, phase=0.4):
    x, y = grid.x[:, None], grid.y[None, :]
    angle = 2 * np.pi * (m * x / grid.length_x + n * y / grid.length_y) + phase
    return jnp.asarray(np.cos(angle))


def test_coarsening_a_resolved_field_samples_it(x64):
    field = wave(FINE, 5, -3) + 2 * wave(FINE, -2, 1) + 0.5
    np.testing.assert_allclose(coarsen(field, FINE, COARSE), field[::2, ::2], atol=1e-14)


def test_coarsening_removes_what_the_coarse_grid_does_not_resolve(x64):
    unresolved = wave(FINE, 6, 0) + wave(FINE, 0, 4) + wave(FINE, 8, 6)
    assert np.abs(coarsen(unresolved, FINE, COARSE)).max() < 1e-14


@pytest.mark.parametrize("m, n", [(1, 0), (3, 2), (-5, 3)])
def test_gaussian_filter_damps_a_wave_by_its_transfer_function(x64, m, n):
    width = 0.7
    k_squared = m**2 + (n * 2 / 3) ** 2
    factor = np.exp(-k_squared * width**2 / 24)
    np.testing.assert_allclose(
        coarsen(wave(FINE, m, n), FINE, COARSE, width=width),
        factor * wave(COARSE, m, n),
        atol=1e-14,
    )
    assert np.isclose(gaussian_filter(FINE, width)[m, n], factor)


def test_sharp_filter_keeps_the_resolved_wavenumbers_of_the_coarse_grid():
    kept = sharp_filter(FINE, COARSE)
    assert kept.sum() == COARSE.resolved.sum()
    assert kept[5, 3] == kept[-5, 3] == 1 and kept[6, 0] == kept[0, 4] == 0


@settings(max_examples=5)
@given(
    coarse=st.tuples(st.integers(2, 8), st.integers(2, 8)),
    extra=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    seed=st.integers(0, 2**31),
)
def test_resampling_up_and_down_is_the_identity(coarse, extra, seed):
    small = SpectralGrid(2 * coarse[0], 2 * coarse[1])
    large = SpectralGrid(small.nx + 2 * extra[0], small.ny + 2 * extra[1])
    noise = jnp.asarray(np.random.default_rng(seed).normal(size=small.shape), jnp.float32)
    noise_hat = small.to_spectral(noise)
    # Without the Nyquist coefficients, which have no place on a larger grid.
    field_hat = spectral_resample(noise_hat, small, small)
    up = spectral_resample(field_hat, small, large)
    np.testing.assert_allclose(spectral_resample(up, large, small), field_hat, atol=2e-5)
    mean_square = [
        np.sum(grid.parseval_weight * np.abs(np.asarray(hat)) ** 2)
        for grid, hat in ((small, field_hat), (large, up))
    ]
    np.testing.assert_allclose(*mean_square, rtol=1e-5, atol=1e-12)


def test_resampling_between_a_longer_and_a_shorter_axis(x64):
    target = SpectralGrid(24, 16, 2 * np.pi, 3 * np.pi)
    resampled = spectral_resample(FINE.to_spectral(wave(FINE, 7, -5)), FINE, target)
    np.testing.assert_allclose(target.to_physical(resampled), wave(target, 7, -5), atol=1e-14)


def test_grids_of_different_domains_are_refused():
    with pytest.raises(GridMismatchError, match="different domains"):
        coarsen(jnp.zeros((32, 32)), SpectralGrid(32), SpectralGrid(16, length_x=1.0))

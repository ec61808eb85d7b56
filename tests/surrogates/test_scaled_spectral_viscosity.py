import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax import surrogates
from closurax.physics.errors import ClosuraxError
from closurax.physics.spectral import SpectralGrid, spectral_resample
from closurax.physics.turbulence import random_vorticity
from closurax.surrogates import ScaledSpectralViscosity

GRID = SpectralGrid(24)
VISCOSITY = jnp.asarray([-0.02, 0.0, 0.03, 0.05, 0.2])


@pytest.fixture(scope="module")
def vorticity_hat():
    field_hat = GRID.to_spectral(random_vorticity(GRID, jax.random.key(0)))
    return GRID.truncate(field_hat).at[0, 0].set(0)


def test_the_rates_are_those_of_the_interpolated_viscosity(vorticity_hat):
    found = ScaledSpectralViscosity(VISCOSITY).vorticity_tendency(GRID, vorticity_hat)
    relative = np.sqrt(GRID.k_squared / (GRID.k_squared * GRID.resolved).max())
    shape = np.interp(relative, np.linspace(0, 1, 5), VISCOSITY) * relative**2
    std = np.sqrt(np.mean(np.asarray(GRID.to_physical(vorticity_hat), float) ** 2))
    expected = -std * shape * GRID.resolved * np.asarray(vorticity_hat)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_it_has_no_scale_of_its_own(vorticity_hat):
    closure = ScaledSpectralViscosity(VISCOSITY)
    once = closure.vorticity_tendency(GRID, vorticity_hat)
    twice = closure.vorticity_tendency(GRID, 2 * vorticity_hat)
    np.testing.assert_allclose(twice, 4 * once, rtol=1e-5, atol=1e-5 * jnp.abs(once).max())
    # The same pattern with half the wavelengths on twice the points: only the cutoff counts.
    fine = SpectralGrid(GRID.nx, length_x=GRID.length_x / 2)
    np.testing.assert_allclose(
        closure.vorticity_tendency(fine, vorticity_hat), once, rtol=1e-5, atol=1e-6
    )


def test_gradients_stay_finite_without_a_flow():
    def size(scale):
        closure = ScaledSpectralViscosity.uniform(0.1)
        field_hat = scale * jnp.ones(GRID.spectral_shape, complex)
        return jnp.sum(jnp.abs(closure.vorticity_tendency(GRID, field_hat)) ** 2)

    assert jnp.isfinite(jax.grad(size)(0.0))


def test_it_runs_on_another_grid_and_from_a_file(vorticity_hat, tmp_path):
    closure = ScaledSpectralViscosity(VISCOSITY)
    surrogates.save(tmp_path / "closure.eqx", closure)
    loaded = surrogates.load(tmp_path / "closure.eqx")
    fine = SpectralGrid(48)
    field_hat = spectral_resample(vorticity_hat, GRID, fine)
    np.testing.assert_array_equal(
        loaded.vorticity_tendency(fine, field_hat), closure.vorticity_tendency(fine, field_hat)
    )


def test_one_value_is_no_function():
    with pytest.raises(ClosuraxError, match="two or more wavenumbers"):
        ScaledSpectralViscosity(jnp.ones(1))

import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.diagnostics import enstrophy_spectrum
from closurax.physics.errors import DataError, GridMismatchError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity
from closurax.surrogates import SpectralEddyViscosity, a_priori_scores

GRID = SpectralGrid(16)


def fields(seed, samples=6):
    noise = np.random.default_rng(seed).normal(size=(samples, *GRID.shape))
    return np.fft.irfft2(np.fft.rfft2(noise) * GRID.resolved).astype(np.float32)


def laplacian(vorticity):
    return np.fft.irfft2(-GRID.k_squared * np.fft.rfft2(vorticity)).astype(np.float32)


def test_it_recovers_the_decay_rates_that_made_the_data():
    shell = np.rint(np.sqrt(GRID.k_squared))
    vorticity = fields(0)
    tendency = np.fft.irfft2(-0.3 * shell * np.fft.rfft2(vorticity)).astype(np.float32)
    closure = SpectralEddyViscosity.fit(vorticity, tendency, GRID)
    resolved = np.unique(shell[GRID.resolved]).astype(int)
    np.testing.assert_allclose(closure.decay_rate[resolved], 0.3 * resolved, atol=2e-6)
    scores = a_priori_scores(closure, {"vorticity": fields(1), "subgrid_tendency": fields(8)}, GRID)
    assert float(scores["enstrophy_transfer"].max()) < 0


def test_the_fit_has_the_enstrophy_transfer_of_the_data_in_every_shell():
    vorticity, other = fields(2), fields(3)
    tendency = 0.01 * laplacian(vorticity) + 0.5 * other
    closure = SpectralEddyViscosity.fit(vorticity, tendency, GRID)
    vorticity_hat, tendency_hat = np.fft.rfft2(vorticity), np.fft.rfft2(tendency)
    predicted_hat = np.stack(
        [closure.vorticity_tendency(GRID, jnp.asarray(w)) for w in vorticity_hat]
    )
    shell = np.rint(np.sqrt(GRID.k_squared)).astype(int)

    def transfer(coefficients):
        product = (vorticity_hat.conj() * coefficients).real.mean(0)
        return np.bincount(shell.ravel(), (GRID.parseval_weight * GRID.resolved * product).ravel())

    exact = transfer(tendency_hat)
    np.testing.assert_allclose(transfer(predicted_hat)[1:], exact[1:], atol=1e-5 * abs(exact).max())


def test_it_damps_in_a_running_model():
    closure = SpectralEddyViscosity.fit(fields(4), 0.05 * laplacian(fields(4)), GRID)
    model = BarotropicVorticity(GRID, forcing=None, drag=0.0, viscosity=0.0)
    run = model.replace(subgrid=closure).run(
        model.initial_state(jnp.asarray(fields(5)[0])), 0.2, save_every=0.1, dt=0.01
    )
    enstrophy = np.asarray(enstrophy_spectrum(jnp.asarray(run["vorticity"].values), GRID)).sum(-1)
    assert (np.diff(enstrophy) < 0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(GridMismatchError, match="vorticity has shape"):
        SpectralEddyViscosity.fit(fields(6), fields(7), SpectralGrid(32))
    with pytest.raises(DataError, match="at least one"):
        SpectralEddyViscosity.fit(fields(6)[:0], fields(6)[:0], GRID)
    closure = SpectralEddyViscosity.fit(fields(6), fields(7), GRID)
    fine = SpectralGrid(32)
    with pytest.raises(GridMismatchError, match="fit it again"):
        closure.vorticity_tendency(fine, jnp.zeros(fine.spectral_shape, jnp.complex64))

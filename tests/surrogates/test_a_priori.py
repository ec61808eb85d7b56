import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.physics import AbstractMemorylessScheme, Quantity, closures
from closurax.physics.spectral import SpectralGrid
from closurax.surrogates import a_priori_scores, tendency_loss

GRID = SpectralGrid(16)


class Diffusion(AbstractMemorylessScheme):
    """A tendency `c lap(omega)`, in physical or in spectral space."""

    coefficient: float | jax.Array
    spectral: bool = eqx.field(static=True, default=False)
    reads = (Quantity("spectral_vorticity", "s-1"),)

    @property
    def returns(self):
        name = "spectral_vorticity_tendency" if self.spectral else "vorticity_tendency"
        return (Quantity(name, "s-2"),)

    def tendencies(self, inputs):
        laplacian = GRID.laplacian(inputs["spectral_vorticity"])
        tendency = jnp.asarray(self.coefficient, laplacian.dtype) * laplacian
        if self.spectral:
            return {"spectral_vorticity_tendency": tendency}
        return {"vorticity_tendency": GRID.to_physical(tendency)}


@pytest.fixture
def pairs(getkey):
    """Resolved vorticity, and its diffusion with the coefficient 0.1 m2 s-1."""
    noise_hat = GRID.to_spectral(jax.random.normal(getkey(), (3, *GRID.shape)))
    vorticity_hat = GRID.truncate(noise_hat).at[:, 0, 0].set(0)
    tendency_hat = 0.1 * GRID.laplacian(vorticity_hat)
    return {
        "vorticity": np.asarray(GRID.to_physical(vorticity_hat)),
        "streamfunction": np.asarray(GRID.to_physical(GRID.inverse_laplacian(vorticity_hat))),
        "subgrid_tendency": np.asarray(GRID.to_physical(tendency_hat)),
    }


@pytest.mark.parametrize("spectral", [False, True])
def test_exact_on_a_perfect_scheme(pairs, spectral):
    scores = a_priori_scores(Diffusion(0.1, spectral), pairs, GRID)
    np.testing.assert_allclose(scores["r2"], 1, atol=1e-10)
    np.testing.assert_allclose(scores["correlation"], 1, atol=1e-10)
    np.testing.assert_allclose(scores["relative_rmse"], 0, atol=1e-5)
    np.testing.assert_allclose(scores["enstrophy_transfer_error"], 0, atol=1e-6)
    np.testing.assert_allclose(scores["energy_transfer_error"], 0, atol=1e-6)
    loss = tendency_loss(Diffusion(0.1, spectral), pairs, grid=GRID)
    assert float(loss) < 1e-10 * np.mean(pairs["subgrid_tendency"] ** 2)


def test_equals_a_computation_by_hand(pairs):
    # A scheme 1.5 times too strong: the error is half the exact tendency everywhere.
    scheme = Diffusion(0.15)
    scores = a_priori_scores(scheme, pairs, GRID)
    omega, psi, exact = (
        pairs[name].astype(float) for name in ("vorticity", "streamfunction", "subgrid_tendency")
    )
    np.testing.assert_allclose(scores["r2"], 0.75, rtol=1e-4)
    np.testing.assert_allclose(scores["correlation"], 1, rtol=1e-5)
    np.testing.assert_allclose(scores["relative_rmse"], 0.5, rtol=1e-4)
    enstrophy = [(w * p).mean() for w, p in zip(omega, exact, strict=True)]
    energy = [-(s * p).mean() for s, p in zip(psi, exact, strict=True)]
    np.testing.assert_allclose(scores["exact_enstrophy_transfer"], enstrophy, rtol=1e-4)
    np.testing.assert_allclose(scores["enstrophy_transfer"], np.multiply(1.5, enstrophy), rtol=1e-4)
    np.testing.assert_allclose(scores["exact_energy_transfer"], energy, rtol=1e-4)
    # Diffusion takes out enstrophy and energy: -0.5 is 50 % too much drain.
    assert max(enstrophy) < 0 and max(energy) < 0
    np.testing.assert_allclose(scores["enstrophy_transfer_error"], -0.5, rtol=1e-4)
    np.testing.assert_allclose(scores["energy_transfer_error"], -0.5, rtol=1e-4)
    variance = float(np.mean(exact**2))
    loss = tendency_loss(scheme, pairs, grid=GRID, variance=variance)
    np.testing.assert_allclose(float(loss), 0.25, rtol=1e-4)


def test_unrelated_tendencies_do_not_correlate(pairs):
    shuffled = pairs | {"subgrid_tendency": np.roll(pairs["subgrid_tendency"], 1, 0)}
    scores = a_priori_scores(Diffusion(0.1), shuffled, GRID)
    expected = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1]
        for a, b in zip(pairs["subgrid_tendency"], shuffled["subgrid_tendency"], strict=True)
    ]
    np.testing.assert_allclose(scores["correlation"], expected, atol=1e-4)
    assert (np.abs(scores["correlation"]) < 0.5).all()


def test_what_a_simulation_discards_does_not_count(pairs):
    waves = np.cos(7 * GRID.x)[:, None] * np.ones(16)
    noisy = {name: (field + 5 * waves + 3).astype(np.float32) for name, field in pairs.items()}
    scores = a_priori_scores(Diffusion(0.1), noisy, GRID)
    np.testing.assert_allclose(scores["r2"], 1, atol=1e-8)


def test_scores_physical_schemes(pairs):
    nothing = a_priori_scores(closures.NoClosure(), pairs, GRID)
    np.testing.assert_allclose(nothing["r2"], 0, atol=1e-10)
    assert np.isnan(nothing["correlation"]).all()
    np.testing.assert_allclose(nothing["enstrophy_transfer_error"], 1, rtol=1e-6)
    dataset = xr.Dataset({name: (("time", "x", "y"), field) for name, field in pairs.items()})
    leith = a_priori_scores(closures.Leith(), dataset, GRID)
    assert (leith["correlation"] > 0.3).all()
    assert (leith["enstrophy_transfer"] < 0).all()


def test_loss_has_the_gradient_of_its_formula(pairs):
    # (c - 0.1)^2 / 0.1^2 is the loss relative to the variance.
    variance = float(np.mean(pairs["subgrid_tendency"].astype(float) ** 2))
    gradient = jax.grad(lambda c: tendency_loss(Diffusion(c), pairs, grid=GRID, variance=variance))(
        jnp.float32(0.3)
    )
    np.testing.assert_allclose(gradient, 2 * 0.2 / 0.1**2, rtol=1e-4)

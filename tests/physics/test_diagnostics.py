"""Spectra, transfers, budgets and distributions against slow evaluations and exact values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.diagnostics import (
    advective_tendency,
    bootstrap_interval,
    energy_budget,
    energy_spectrum,
    energy_transfer,
    enstrophy_budget,
    enstrophy_spectrum,
    enstrophy_transfer,
    kernel_density,
    log_spectrum_error,
    mean_energy,
    mean_enstrophy,
    one_dimensional_enstrophy_spectrum,
    return_levels,
    scheme_tendency,
    shell_wavenumbers,
    spectral_flux,
    tail_probability,
    turbulence_statistics,
    vorticity_pdf,
)
from closurax.physics.errors import ClosuraxError, DataError, GridMismatchError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing, random_vorticity

SQUARE = SpectralGrid(16)
RECTANGLE = SpectralGrid(16, 24, 2 * np.pi, 3 * np.pi)


class ViscosityAndBackscatter(AbstractMemorylessScheme):
    """Negative viscosity at large scales, hyperviscosity at small ones."""

    reads = (Quantity("vorticity", "s-1"),)
    returns = (Quantity("vorticity_tendency", "s-2"),)

    def tendencies(self, inputs):
        grid = inputs["grid"]
        factor = 0.02 * grid.k_squared - 1e-3 * grid.k_squared**2
        vorticity_hat = grid.to_spectral(inputs["vorticity"])
        return {"vorticity_tendency": grid.to_physical(grid.multiply(factor, vorticity_hat))}


def noise(grid, seed=0, batch=()):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(*batch, *grid.shape)))


def resolved_state(model, seed=0):
    return model.initial_state(noise(model.grid, seed))


@pytest.mark.parametrize("grid", [SQUARE, RECTANGLE], ids=["square", "rectangle"])
def test_spectra_equal_a_loop_over_all_wavenumbers(x64, grid):
    vorticity = np.asarray(noise(grid))
    coefficients = np.fft.fft2(vorticity) / vorticity.size
    fundamental = 2 * np.pi / max(grid.length_x, grid.length_y)
    wavenumbers = shell_wavenumbers(grid)
    np.testing.assert_allclose(np.diff(wavenumbers), fundamental)
    energy, enstrophy = np.zeros(len(wavenumbers)), np.zeros(len(wavenumbers))
    for i in range(grid.nx):
        for j in range(grid.ny):
            m = i if i <= grid.nx // 2 else i - grid.nx
            n = j if j <= grid.ny // 2 else j - grid.ny
            k = 2 * np.pi * np.hypot(m / grid.length_x, n / grid.length_y)
            shell = int(np.floor(k / fundamental + 0.5))
            power = abs(coefficients[i, j]) ** 2 / 2
            enstrophy[shell] += power
            energy[shell] += power / k**2 if k else 0.0
    np.testing.assert_allclose(enstrophy_spectrum(vorticity, grid), enstrophy, rtol=1e-12)
    np.testing.assert_allclose(energy_spectrum(vorticity, grid), energy, rtol=1e-12)


@settings(max_examples=5)
@given(
    nx=st.integers(2, 8), ny=st.integers(2, 8), ratio=st.floats(0.3, 3.0), seed=st.integers(0, 999)
)
def test_spectra_sum_to_the_means_of_the_fields(nx, ny, ratio, seed):
    grid = SpectralGrid(2 * nx, 2 * ny, 1.0, ratio)
    model = BarotropicVorticity(grid)
    state = model.initial_state(jnp.asarray(noise(grid, seed), jnp.float32))
    inputs = model.scheme_inputs(0.0, state, frozenset({"vorticity", "velocity"}), None)
    vorticity, velocity = (np.asarray(inputs[name], float) for name in ("vorticity", "velocity"))
    energy = np.mean(np.sum(velocity**2, axis=0)) / 2
    enstrophy = np.mean(vorticity**2) / 2
    field = inputs["vorticity"]
    np.testing.assert_allclose(np.sum(energy_spectrum(field, grid)), energy, rtol=1e-4)
    np.testing.assert_allclose(mean_energy(field, grid), energy, rtol=1e-4)
    np.testing.assert_allclose(np.sum(enstrophy_spectrum(field, grid)), enstrophy, rtol=1e-4)
    np.testing.assert_allclose(mean_enstrophy(field, grid), enstrophy, rtol=1e-4)


def test_single_precision_spectra_are_accurate_in_batches_and_under_jit(getkey):
    grid = SpectralGrid(64)
    field = random_vorticity(grid, getkey())
    batch = jnp.stack([field, 2 * field]).reshape(2, 1, 64, 64)
    single = jax.jit(lambda w: enstrophy_spectrum(w, grid))(batch)
    assert single.dtype == jnp.float32 and single.shape == (2, 1, len(shell_wavenumbers(grid)))
    with jax.enable_x64(True):
        double = np.asarray(enstrophy_spectrum(jnp.asarray(np.asarray(field, float)), grid))
    kept = double > 1e-8 * double.max()
    np.testing.assert_allclose(single[0, 0][kept], double[kept], rtol=1e-4)
    np.testing.assert_allclose(single[1, 0], 4 * single[0, 0], rtol=1e-5)


def test_one_dimensional_spectrum_of_two_waves(x64):
    x, y = SQUARE.x[:, None], SQUARE.y[None, :]
    vorticity = jnp.asarray(2 * np.cos(3 * x + 0 * y) + np.cos(2 * x - 5 * y))
    # Half of |coefficient|^2 for one sign: 2 cos has coefficients 1, cos has 1/2. The first
    # wave has k = 3 along x and 0 along y, where both of its signs add up.
    along_x, along_y = np.zeros((2, 8))
    along_x[3], along_x[2] = 1 / 2, 1 / 8
    along_y[0], along_y[5] = 1.0, 1 / 8
    np.testing.assert_allclose(
        one_dimensional_enstrophy_spectrum(vorticity, SQUARE), (along_x + along_y) / 2, atol=1e-15
    )
    with pytest.raises(GridMismatchError, match="square"):
        one_dimensional_enstrophy_spectrum(noise(RECTANGLE), RECTANGLE)


@pytest.mark.parametrize("grid", [SQUARE, RECTANGLE], ids=["square", "rectangle"])
def test_advection_only_moves_energy_and_enstrophy(x64, grid):
    vorticity = grid.to_physical(grid.truncate(grid.to_spectral(noise(grid, batch=(3,)))))
    vorticity = vorticity - jnp.mean(vorticity, axis=(-2, -1), keepdims=True)
    tendency = advective_tendency(vorticity, grid)
    for transfer in (energy_transfer, enstrophy_transfer):
        rates = transfer(vorticity, tendency, grid)
        assert rates.shape == (3, len(shell_wavenumbers(grid)))
        scale = np.abs(rates).sum(axis=-1)
        assert (scale > 1e-3).all() and (np.abs(rates.sum(axis=-1)) < 1e-13 * scale).all()
        flux = spectral_flux(rates)
        np.testing.assert_allclose(flux[:, 2], -rates[:, :3].sum(axis=-1))
        assert (np.abs(flux[:, -1]) < 1e-13 * scale).all()


def test_transfer_of_a_viscosity_is_the_spectrum_times_its_rate(x64):
    vorticity = noise(SQUARE)
    diffused = SQUARE.to_physical(SQUARE.laplacian(SQUARE.to_spectral(vorticity)))
    transfer = energy_transfer(vorticity, diffused, SQUARE)
    # But for the mean vorticity, which has enstrophy and no energy.
    exact = -2 * enstrophy_spectrum(vorticity, SQUARE)[1:]
    np.testing.assert_allclose(transfer[1:], exact, rtol=1e-12)


@pytest.mark.parametrize("grid", [SQUARE, RECTANGLE], ids=["square", "rectangle"])
def test_budgets_close(x64, grid):
    model = BarotropicVorticity(
        grid,
        viscosity=0.01,
        drag=0.1,
        beta=5.0,
        hyperviscosity=1e-5,
        forcing=CosineForcing(wavenumber=3),
        schemes={"subgrid": ViscosityAndBackscatter()},
    )
    state = resolved_state(model)
    vorticity, tendency = (model.vorticity(s) for s in (state, model.tendency(0.0, state)))
    psi = model.scheme_inputs(0.0, state, frozenset({"streamfunction"}), None)["streamfunction"]
    scheme = scheme_tendency(model, state)
    x, y = grid.x[:, None] / grid.length_x, grid.y[None, :] / grid.length_y
    forcing = 3 * (np.cos(6 * np.pi * x) + np.cos(6 * np.pi * y))
    for budget, factor, transfer in (
        (energy_budget(model, state), -psi, energy_transfer),
        (enstrophy_budget(model, state), vorticity, enstrophy_transfer),
    ):
        terms = {
            k: float(v) for k, v in budget.items() if k not in ("total", "subgrid_backscatter")
        }
        size = sum(abs(term) for term in terms.values())
        change = float(jnp.mean(factor * tendency))
        assert abs(sum(terms.values()) - change) < 1e-12 * size
        assert abs(float(budget["total"]) - change) < 1e-12 * size
        assert abs(terms["advection"]) < 1e-13 * size
        assert np.isclose(terms["forcing"], np.mean(factor * forcing), rtol=1e-12)
        assert np.isclose(terms["subgrid"], jnp.mean(factor * scheme), rtol=1e-12)
        assert max(terms["viscosity"], terms["hyperviscosity"], terms["drag"]) < 0
        shells = np.asarray(transfer(vorticity, scheme, grid))
        backscatter = float(budget["subgrid_backscatter"])
        assert np.isclose(backscatter, shells[shells > 0].sum()) and backscatter > 0
        assert terms["subgrid"] < backscatter
    assert np.isclose(
        float(energy_budget(model, state)["drag"]), -0.2 * float(mean_energy(vorticity, grid))
    )


def test_budget_without_forcing_and_scheme(x64):
    model = BarotropicVorticity(SQUARE, forcing=None)
    budget = enstrophy_budget(model, resolved_state(model))
    assert budget["forcing"] == budget["subgrid"] == budget["subgrid_backscatter"] == 0


def test_histogram_and_tails_of_known_values():
    values = np.array([[-3.0, -0.5, 0.2], [0.4, 1.5, 9.0]])
    density = vorticity_pdf(values, np.array([-1.0, 0.0, 1.0, 3.0]))
    np.testing.assert_allclose(density, [1 / 6, 2 / 6, 1 / 12])
    assert tail_probability(values, 1.0) == 0.5 and tail_probability(values, 10.0) == 0.0
    with_nan = np.append(values.ravel(), np.nan)
    assert tail_probability(with_nan, 1.0) == 0.5
    with pytest.raises(ClosuraxError, match="no finite value"):
        tail_probability(np.full(3, np.nan), 1.0)


def test_kernel_density_equals_the_sum_of_kernels():
    values = np.random.default_rng(0).standard_t(4, size=500)
    points = np.linspace(-12, 12, 97)
    bandwidth = 2.0 * values.std() * 500 ** (-1 / 5)
    offsets = (points[:, None] - values[None, :]) / bandwidth
    exact = np.exp(-(offsets**2) / 2).sum(axis=1) / (500 * bandwidth * np.sqrt(2 * np.pi))
    estimate = kernel_density(values, points, bandwidth_factor=2.0)
    np.testing.assert_allclose(estimate, exact, rtol=1e-2, atol=1e-8)
    assert np.isclose(np.trapezoid(kernel_density(values, np.linspace(-40, 40, 4001)),
                                   np.linspace(-40, 40, 4001)), 1.0, atol=1e-3)  # fmt: skip
    with pytest.raises(ClosuraxError):
        kernel_density(np.ones(10), points)


def test_bootstrap_interval_covers_the_mean_of_correlated_series():
    """First-order autoregressive series, whose naive interval would be three times too short."""
    generator = np.random.default_rng(0)
    covered, widths = 0, []
    for trial in range(60):
        series = np.zeros((6, 300))
        shocks = generator.normal(size=series.shape)
        for i in range(1, 300):
            series[:, i] = 0.8 * series[:, i - 1] + shocks[:, i]
        low, high = bootstrap_interval(series, block=25, resamples=300, seed=trial)
        covered += low <= 0 <= high
        widths.append(high - low)
    assert covered >= 50
    exact = 2 * 1.96 * 5 / np.sqrt(6 * 300)  # the long-run deviation is 1 / (1 - 0.8)
    assert 0.6 < np.mean(widths) / exact < 1.3


def test_bootstrap_is_reproducible_and_checks_its_input():
    series = np.random.default_rng(1).normal(size=(2, 20))
    assert bootstrap_interval(series, block=4, seed=3) == bootstrap_interval(
        series, block=4, seed=3
    )
    assert bootstrap_interval(np.full((2, 20), 0.25), block=7) == pytest.approx((0.25, 0.25))
    for bad, block in ((series, 21), (series, 0), (np.where(series > 1, np.nan, series), 4)):
        with pytest.raises(ClosuraxError, match="bootstrap"):
            bootstrap_interval(bad, block=block)


def test_return_levels_are_exceeded_once_a_period():
    maxima = np.random.default_rng(0).permutation(1000).astype(float)
    levels = return_levels(maxima, 0.5, [5.0, 50.0, 0.1, 1e4])
    for level, count in zip(levels[:2], (100, 10), strict=True):
        assert abs((maxima > level).sum() - count) <= 1
    assert np.isnan(levels[2:]).all()


def test_log_spectrum_error():
    reference = np.linspace(5, 1, 30)
    wrong = reference * np.where(np.arange(30) % 2, np.e, 1 / np.e)
    assert np.isclose(log_spectrum_error(jnp.asarray(wrong[:24]), reference), 1.0)
    half_wrong = np.where(np.arange(30) <= 10, wrong, reference)
    errors = log_spectrum_error(np.stack([half_wrong, reference]), reference)
    np.testing.assert_allclose(errors, [np.sqrt(0.5), 0.0], atol=1e-6)
    with pytest.raises(ClosuraxError, match="24 and 30 shells"):
        log_spectrum_error(wrong[:24], reference, k_max=24)


@pytest.fixture(scope="module")
def run_dataset():
    generator = np.random.default_rng(0)
    vorticity = generator.normal(size=(4, 30, 16, 16)).astype(np.float32)
    vorticity *= np.array([1, 2, 3, 100], np.float32)[:, None, None, None]
    vorticity[:, :10] += 1000.0
    vorticity[3, 20:] = np.nan
    return xr.Dataset(
        {"vorticity": (("member", "time", "x", "y"), vorticity)},
        coords={"time": 2 + 0.5 * np.arange(30)},
        attrs={"source": "test"},
    )


def test_statistics_of_a_run(run_dataset):
    statistics = turbulence_statistics(
        run_dataset, SQUARE, spin_up=5.0, thresholds=[2.0, 1e3], block_duration=2.0
    )
    kept = run_dataset["vorticity"].values[:, 10:].astype(float)
    assert statistics.sizes["time"] == 20 and float(statistics["time"][0]) == 7.0
    assert statistics["blown_up_members"] == 1
    for member, times in ((1, 20), (3, 10)):
        fields = kept[member, :times]
        spectra = np.mean(
            [enstrophy_spectrum(f.astype(np.float32), SQUARE) for f in fields], axis=0
        )
        np.testing.assert_allclose(statistics["enstrophy_spectrum"][member], spectra, rtol=1e-4)
        np.testing.assert_allclose(
            statistics["enstrophy"][member, :times], np.mean(fields**2, (1, 2)) / 2, rtol=1e-5
        )
        np.testing.assert_allclose(
            statistics["largest_vorticity"][member, :times], np.abs(fields).max((1, 2))
        )
    np.testing.assert_allclose(statistics["vorticity_std"], [1, 2, 3, 100], rtol=0.05)
    np.testing.assert_allclose(statistics["vorticity_kurtosis"], 3, rtol=0.15)
    assert np.isnan(statistics["energy"][3, 10:]).all()

    survivors = kept[:3]
    tail = statistics["tail_probability"].values
    np.testing.assert_allclose(tail, [np.mean(np.abs(survivors) > 2), 0.0])
    low, high = statistics["tail_probability_interval"][0].values
    assert low < tail[0] < high
    pdf = statistics["vorticity_pdf"]
    assert np.isclose(pdf.integrate("w"), 1.0, atol=1e-3)
    assert all({"units", "long_name"} <= set(v.attrs) for v in statistics.data_vars.values())
    assert statistics.attrs["source"] == "test"


def test_statistics_of_a_run_without_members_and_its_file(run_dataset, tmp_path):
    single = turbulence_statistics(run_dataset.isel(member=1), SQUARE, spin_up=5.0)
    both = turbulence_statistics(run_dataset.isel(member=[1]), SQUARE, spin_up=5.0)
    assert "member" not in single.dims
    xr.testing.assert_allclose(single, both.isel(member=0))
    single.to_netcdf(tmp_path / "statistics.nc")


def test_statistics_when_no_member_survives(run_dataset):
    statistics = turbulence_statistics(run_dataset.isel(member=[3]), SQUARE, thresholds=[1.0])
    assert statistics["blown_up_members"] == 1
    assert np.isnan(statistics["tail_probability"]).all()
    assert np.isnan(statistics["vorticity_pdf"]).all()


def test_statistics_refuse_other_data(run_dataset):
    with pytest.raises(DataError, match="no variable 'vorticity'"):
        turbulence_statistics(run_dataset.rename(vorticity="omega"), SQUARE)
    with pytest.raises(DataError, match="dimensions"):
        turbulence_statistics(run_dataset.isel(time=0), SQUARE)
    with pytest.raises(DataError, match="spin-up"):
        turbulence_statistics(run_dataset, SQUARE, spin_up=100.0)
    with pytest.raises(GridMismatchError):
        turbulence_statistics(run_dataset, RECTANGLE)

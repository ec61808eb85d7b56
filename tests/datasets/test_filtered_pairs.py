import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.datasets import filtered_pairs, open_pairs, training_pairs, write_pairs
from closurax.physics.errors import ClosuraxError, DataError
from closurax.physics.spectral import SpectralGrid

FINE, COARSE = SpectralGrid(48), SpectralGrid(16)


def _dns(largest_mode=15, times=2, dtype=np.float64, seed=0):
    """Random fields of all modes up to `largest_mode`, which the fine grid resolves."""
    inside = (np.abs(FINE.mode_x) <= largest_mode) & (FINE.mode_y <= largest_mode)
    noise = np.random.default_rng(seed).normal(size=(times, *FINE.shape))
    noise_hat = np.fft.rfft2(noise) * inside / (1 + FINE.k_squared) ** 0.5
    noise_hat[:, 0, 0] = 0
    values = np.fft.irfft2(noise_hat, s=FINE.shape)
    values = (5 * values / values.std()).astype(dtype)
    return xr.Dataset(
        {"vorticity": (("time", "x", "y"), values, {"units": "s-1"})},
        coords={"time": 4.0 + np.arange(times), "x": FINE.x, "y": FINE.y},
        attrs={"title": "made up", "nu": 5e-5},
    )


def _advective_tendency(vorticity, largest_mode):
    """-u . grad(omega) by the products of 4 fields on a grid so fine that nothing aliases."""
    size, large = vorticity.shape[-1], 128
    half = size // 2
    modes = np.fft.fftfreq(size, 1 / size).astype(int)
    places = np.ix_(modes % large, modes % large)
    field_hat = np.zeros((large, large), complex)
    field_hat[places] = np.fft.fft2(vorticity) * (large / size) ** 2
    k = np.fft.fftfreq(large, 1 / large)
    kx, ky = k[:, None], k[None, :]
    field_hat[(np.abs(kx) >= half) | (np.abs(ky) >= half)] = 0
    k_squared = kx**2 + ky**2
    k_squared[0, 0] = 1
    psi_hat = -field_hat / k_squared
    u, v, omega_x, omega_y = (
        np.fft.ifft2(spectral).real
        for spectral in (
            -1j * ky * psi_hat,
            1j * kx * psi_hat,
            1j * kx * field_hat,
            1j * ky * field_hat,
        )
    )
    tendency_hat = np.fft.fft2(-(u * omega_x + v * omega_y))
    tendency_hat[(np.abs(kx) > largest_mode) | (np.abs(ky) > largest_mode)] = 0
    return tendency_hat[places] * (size / large) ** 2


@pytest.mark.parametrize("filter", ["sharp", "gaussian"])
def test_coarse_tendency_and_subgrid_tendency_make_the_filtered_tendency(x64, filter):
    dns = _dns()
    pairs = filtered_pairs(dns, COARSE, filter)
    k = np.fft.fftfreq(48, 1 / 48)
    transfer = 1.0
    if filter == "gaussian":
        transfer = np.exp(-(k[:, None] ** 2 + k**2) * (2 * 2 * np.pi / 16) ** 2 / 24)
    inside = np.ix_(np.r_[0:6, 43:48], np.r_[0:6, 43:48])
    coarse_inside = np.ix_(np.r_[0:6, 11:16], np.r_[0:6, 11:16])
    for time in range(2):
        omega = dns["vorticity"].values[time]
        exact = (transfer * _advective_tendency(omega, 15))[inside] / 9
        coarse = np.fft.fft2(pairs["subgrid_tendency"].values[time])
        coarse += _advective_tendency(pairs["vorticity"].values[time], 5)
        np.testing.assert_allclose(
            coarse[coarse_inside], exact, rtol=0, atol=1e-10 * np.abs(exact).max()
        )
        resolved = np.fft.fft2(pairs["vorticity"].values[time])
        expected = (transfer * np.fft.fft2(omega))[inside] / 9
        np.testing.assert_allclose(resolved[coarse_inside], expected, atol=1e-10)


@pytest.mark.parametrize("filter", ["sharp", "gaussian"])
def test_fields_are_resolved_and_the_subgrid_tendency_has_no_mean(x64, filter):
    pairs = filtered_pairs(_dns(), COARSE, filter)
    for name in ("vorticity", "streamfunction", "subgrid_tendency"):
        field_hat = np.fft.rfft2(pairs[name].values)
        scale = np.abs(field_hat).max()
        assert np.abs(field_hat[:, ~COARSE.resolved]).max() < 1e-12 * scale
        assert np.abs(field_hat[:, 0, 0]).max() < 1e-12 * scale
    laplacian = COARSE.laplacian(COARSE.to_spectral(jnp.asarray(pairs["streamfunction"].values)))
    np.testing.assert_allclose(COARSE.to_physical(laplacian), pairs["vorticity"], atol=1e-12)


def test_there_is_no_subgrid_tendency_if_every_product_is_resolved(x64):
    largest = {
        mode: float(np.abs(filtered_pairs(_dns(mode), COARSE)["subgrid_tendency"]).max())
        for mode in (2, 5, 6, 15)
    }
    # The coarse grid resolves modes up to 5: the products of modes up to 2 altogether, and
    # what it keeps of the products of modes up to 5.
    assert max(largest[2], largest[5]) < 1e-11
    assert min(largest[6], largest[15]) > 1.0


def test_single_precision_agrees_with_double():
    single = filtered_pairs(_dns(dtype=np.float32), COARSE)
    with jax.enable_x64(True):
        double = filtered_pairs(_dns(), COARSE)
    for name in single.data_vars:
        assert single[name].dtype == np.float32 and double[name].dtype == np.float64
        scale = np.abs(double[name].values).max()
        np.testing.assert_allclose(single[name], double[name], rtol=0, atol=1e-5 * scale)


def test_pairs_carry_units_dims_and_provenance():
    pairs = filtered_pairs(_dns(), COARSE, "gaussian")
    units = {name: variable.attrs["units"] for name, variable in pairs.data_vars.items()}
    expected = {"vorticity": "s-1", "streamfunction": "m2 s-1", "subgrid_tendency": "s-2"}
    assert units == expected
    assert all(v.dims == ("time", "x", "y") for v in pairs.data_vars.values())
    assert list(pairs["time"]) == [4.0, 5.0]
    attrs = pairs.attrs
    assert (attrs["filter"], attrs["fine_grid_size"], attrs["coarse_grid_size"]) == (
        "gaussian", 48, 16,
    )  # fmt: skip
    assert "made up" in attrs["source"] and attrs["nu"] == 5e-5


def test_grids_and_filters_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="64 x 64 points is finer than the DNS of 48"):
        filtered_pairs(_dns(), SpectralGrid(64))
    with pytest.raises(DataError, match="covers 6.28319 m .* coarse grid 1 m"):
        filtered_pairs(_dns(), SpectralGrid(16, length_x=1.0))
    with pytest.raises(ClosuraxError, match="'top hat'; it may be 'sharp' or 'gaussian'"):
        filtered_pairs(_dns(), COARSE, "top hat")


def test_packing_keeps_the_fields_to_a_ten_thousandth(tmp_path):
    path = tmp_path / "pairs.nc"
    pairs = filtered_pairs(_dns(times=20, dtype=np.float32), COARSE)
    pairs["subgrid_tendency"].values[0] *= 1e3  # A heavy tail must not cost precision.
    write_pairs(pairs, path)
    opened = open_pairs(path)
    assert set(opened.data_vars) == {"vorticity", "streamfunction", "subgrid_tendency"}
    for name in opened.data_vars:
        error = opened[name].values - pairs[name].values
        assert error.std() < 1e-4 * pairs[name].values.std(), name
        assert opened[name].attrs == pairs[name].attrs
    assert opened.attrs == pairs.attrs
    np.testing.assert_array_equal(opened["time"], pairs["time"])
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as packed:
        assert packed["vorticity"].dtype == np.int16
        assert packed["subgrid_tendency"].dtype == np.int32
        assert "streamfunction" not in packed


def test_opened_pairs_are_resolved(tmp_path):
    path = tmp_path / "pairs.nc"
    write_pairs(filtered_pairs(_dns(dtype=np.float32), COARSE), path)
    field_hat = np.fft.rfft2(open_pairs(path)["subgrid_tendency"].values)
    assert np.abs(field_hat[:, ~COARSE.resolved]).max() < 1e-6 * np.abs(field_hat).max()
    assert np.abs(field_hat[:, 0, 0]).max() < 1e-6 * np.abs(field_hat).max()


def test_bad_pair_files_are_refused(tmp_path):
    path = tmp_path / "pairs.nc"
    pairs = filtered_pairs(_dns(), COARSE)
    pairs.drop_vars("subgrid_tendency").to_netcdf(path)
    with pytest.raises(DataError, match="no variable 'subgrid_tendency'"):
        open_pairs(path)
    wrong = pairs.copy(deep=True)
    wrong["subgrid_tendency"].attrs["units"] = "s-1"
    wrong.to_netcdf(path)
    with pytest.raises(DataError, match="'subgrid_tendency' .* units 's-1', expected 's-2'"):
        open_pairs(path)
    wrong["subgrid_tendency"].attrs["units"] = "s-2"
    wrong["subgrid_tendency"][1, 0, 0] = np.nan
    wrong.to_netcdf(path)
    with pytest.raises(DataError, match="'subgrid_tendency' .* time index 1"):
        open_pairs(path)


def test_missing_training_pairs_are_said_to_be_missing(monkeypatch, tmp_path):
    module = importlib.import_module("closurax.datasets.filtered_pairs")
    monkeypatch.setattr(module, "_TRAINING_PAIRS", tmp_path / "pairs64.nc")
    with pytest.raises(DataError, match="lacks 'pairs64.nc'"):
        training_pairs()

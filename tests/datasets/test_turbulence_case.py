"""The statistics that closures are judged by: of a small made-up DNS, and those that ship."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.datasets import (
    autocorrelation,
    case_flow,
    case_statistics,
    coarser_pairs,
    filtered_pairs,
    turbulence_case,
    write_case,
)
from closurax.physics.errors import DataError
from closurax.physics.spectral import SpectralGrid, coarsen
from closurax.physics.turbulence import random_vorticity

FINE = SpectralGrid(192)


def made_up(times: int) -> xr.Dataset:
    fields = [random_vorticity(FINE, jax.random.key(i), peak_wavenumber=8.0) for i in range(times)]
    return xr.Dataset(
        {"vorticity": (("time", "x", "y"), np.stack(fields))},
        {"time": np.arange(float(times)), "x": FINE.x, "y": FINE.y},
        {"N": 192},
    )


@pytest.fixture(scope="module")
def dns():
    return made_up(9)


@pytest.fixture(scope="module")
def found(dns):
    return case_statistics(dns, "kf4", block_duration=2.0, progress=False)


def test_the_statistics_are_those_of_the_fields(dns, found):
    used = dns["vorticity"].values[1:]
    assert found.sizes["block"] == 4 and found.sizes["time"] == 8
    coarse = np.stack(
        [np.asarray(coarsen(jnp.asarray(field), FINE, SpectralGrid(48))) for field in used]
    )
    std = np.sqrt(np.mean(coarse.astype(float) ** 2))
    at_cutoff = found.sel(cutoff=15)
    assert at_cutoff["vorticity_std"] == pytest.approx(std)
    tails = np.mean(np.abs(coarse) > 2 * std, axis=(1, 2)).reshape(4, 2).mean(1)
    np.testing.assert_allclose(at_cutoff["tail_probability"].sel(threshold=2.0), tails)
    np.testing.assert_allclose(
        at_cutoff["largest_vorticity"], np.abs(coarse).max(axis=(1, 2)), rtol=1e-6
    )
    assert at_cutoff["vorticity_count"].sum() == coarse.size
    # The shells up to the cutoff lack the corners of the square of wavenumbers that is kept.
    enstrophy = found["enstrophy_spectrum"].mean("block").sel(k=slice(0, 15)).sum()
    assert 0.7 * std**2 / 2 < float(enstrophy) < std**2 / 2
    np.testing.assert_allclose(found["vorticity"][0], coarse[0], atol=1e-5)


def test_the_file_holds_them(found, tmp_path):
    write_case(found, tmp_path / "case.nc")
    with xr.open_dataset(tmp_path / "case.nc") as written:
        for name in found.data_vars:
            np.testing.assert_allclose(written[name], found[name], rtol=1e-6, atol=1e-12)


def test_a_short_dns_is_refused():
    with pytest.raises(DataError, match="at least four are needed"):
        case_statistics(made_up(4), "kf4", block_duration=1.0, progress=False)


@pytest.mark.parametrize("name", ["kf4", "kf4_beta20", "kf25", "kf4_re40k"])
def test_the_shipped_cases_are_consistent(name):
    case = turbulence_case(name)
    spectrum = case["enstrophy_spectrum"].mean("block")
    for cutoff in case["cutoff"].values:
        half_variance = float(case["vorticity_std"].sel(cutoff=cutoff)) ** 2 / 2
        # The truncation keeps a square of wavenumbers, whose corners are beyond the last shell.
        inside = float(spectrum.sel(k=slice(0, cutoff)).sum())
        around = float(spectrum.sel(k=slice(0, 2 * cutoff)).sum())
        assert 0.99 * inside < half_variance < 1.01 * around or cutoff == 63
    # What the forcing gives, drag and viscosity take.
    rates = case["energy_rate"]
    assert abs(float(rates.sum())) < 0.1 * float(rates.sel(term="forcing"))
    transfer = case["subgrid_enstrophy_transfer"].sel(cutoff=31)
    assert float(transfer.sum()) < 0
    model = case_flow(name, SpectralGrid(96))
    assert float(model.viscosity) == pytest.approx(float(case.attrs["nu"]))
    assert float(model.beta) == float(case.attrs["beta"])
    assert model.forcing.wavenumber == case.attrs["kf"]


def test_the_correlation_in_time_of_a_wave():
    x, t = np.arange(16) * 2 * np.pi / 16, np.arange(64) * 2 * np.pi / 64
    wave = np.cos(x[None, :, None] - 4 * t[:, None, None]) * np.ones((1, 1, 3))
    found = autocorrelation(wave[None], [0, 4, 8])
    np.testing.assert_allclose(found, np.cos(4 * t[[0, 4, 8]]), atol=1e-12)


def test_coarser_pairs_are_those_of_the_dns(dns):
    snapshots = dns.isel(time=slice(2))
    pairs = filtered_pairs(snapshots, SpectralGrid(64), progress=False)
    grid = SpectralGrid(36)
    direct = filtered_pairs(snapshots, grid, progress=False)
    found = coarser_pairs(pairs, grid)
    for name in ("vorticity", "streamfunction", "subgrid_tendency"):
        scale = np.abs(direct[name].values).max()
        np.testing.assert_allclose(found[name], direct[name], atol=2e-5 * scale)
    with pytest.raises(DataError, match="resolves more wavenumbers"):
        coarser_pairs(pairs, SpectralGrid(96))
    with pytest.raises(DataError, match="only those of the"):
        coarser_pairs(pairs.assign_attrs(filter="gaussian"), grid)

import numpy as np
import pytest
import xarray as xr

from closurax.datasets import reduce_reference, reference_dns
from closurax.physics.errors import DataError


@pytest.fixture(scope="module")
def reference():
    return reference_dns()


def test_spectra_and_series_hold_the_same_enstrophy_and_energy(reference):
    for name in ("energy", "enstrophy"):
        total = reference[f"{name}_spectrum"].sum()
        np.testing.assert_allclose(total, reference[name].mean(), rtol=1e-5)
    halves = reference["enstrophy_spectrum_halves"].mean("half")
    np.testing.assert_allclose(halves, reference["enstrophy_spectrum"], rtol=1e-6, atol=1e-12)


def test_enstrophy_spectrum_is_k_squared_times_energy_spectrum(reference):
    spectra = reference.sel(wavenumber=slice(4, 64))
    ratio = spectra["enstrophy_spectrum"] / spectra["energy_spectrum"]
    np.testing.assert_allclose(ratio, spectra["wavenumber"] ** 2, rtol=0.05)


def test_pdfs_integrate_to_one_and_match_their_counts(reference):
    width = np.diff(reference["vorticity_bin"])[0]
    for name in ("pdf", "pdf_sharp64", "pdf_gauss64", "pdf_sharp128", "pdf_gauss128"):
        pdf, count = reference[name], reference[f"{name}_count"]
        np.testing.assert_allclose(pdf.sum() * width, 1, rtol=1e-6)
        np.testing.assert_allclose(pdf * width * count.sum(), count, atol=0.5)


def test_pdf_has_the_variance_of_the_series(reference):
    bins, pdf = reference["vorticity_bin"], reference["pdf"]
    variance = (pdf * bins**2).sum() / pdf.sum()
    np.testing.assert_allclose(variance / 2, reference["enstrophy"].mean(), rtol=5e-3)


def test_gaussian_snapshots_are_the_sharp_ones_smoothed(reference):
    for size in (64, 128):
        sharp = np.fft.rfft2(reference[f"vorticity_sharp{size}"].values)
        mode_x = np.fft.fftfreq(size, 1 / size)[:, None]
        mode_y = np.fft.rfftfreq(size, 1 / size)[None]
        width = 2 * (2 * np.pi / size)
        smoothed = np.exp(-(mode_x**2 + mode_y**2) * width**2 / 24) * sharp
        expected = np.fft.irfft2(smoothed, s=(size, size))
        gaussian = reference[f"vorticity_gauss{size}"].values
        np.testing.assert_allclose(gaussian, expected, atol=1e-4)


def test_every_variable_has_units_and_a_name_and_the_file_its_provenance(reference):
    for name, variable in reference.variables.items():
        assert variable.attrs["units"] and variable.attrs["long_name"], name
    assert reference.attrs["license"] == "Apache-2.0"
    assert reference.attrs["nu"] == 5e-5 and reference.attrs["kf"] == 4


def test_reducing_something_else_is_refused():
    with pytest.raises(DataError, match="lacks the variables .*'energy_spectrum'"):
        reduce_reference(xr.Dataset({"vorticity": ("time", np.zeros(2))}))

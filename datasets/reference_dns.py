"""The reference statistics that ship with closurax, and how the file was made."""

from pathlib import Path

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .validation import open_netcdf, require

_PATH = Path(__file__).with_name("data") / "dns2d_kf4_re20k_reference.nc"

_DIMS = {"ts": "sample_time", "k": "wavenumber", "k1": "wavenumber_1d", "w": "vorticity_bin"}

_LABELS = {
    "time": ("s", "time after spin-up of the snapshots"),
    "sample_time": ("s", "time after spin-up of the samples"),
    "wavenumber": ("rad m-1", "centre of a shell of width 1 rad m-1"),
    "wavenumber_1d": ("rad m-1", "wavenumber along one axis"),
    "vorticity_bin": ("s-1", "vorticity at the centre of a bin"),
    "energy_spectrum": ("m2 s-2", "kinetic energy per unit mass in a wavenumber shell"),
    "enstrophy_spectrum": ("s-2", "enstrophy in a wavenumber shell"),
    "enstrophy_spectrum_std": ("s-2", "standard deviation in time of the enstrophy spectrum"),
    "enstrophy_spectrum_halves": ("s-2", "enstrophy spectrum of each half of the simulation"),
    "enstrophy_spectrum_xy": ("s-2", "one-sided 1-D enstrophy spectrum, mean of both axes"),
    "energy": ("m2 s-2", "domain mean of the kinetic energy per unit mass"),
    "enstrophy": ("s-2", "domain mean of half the squared vorticity"),
    "palinstrophy": ("m-2 s-2", "domain mean of half the squared vorticity gradient"),
    "wmax": ("s-1", "largest absolute vorticity"),
    "kurtosis": ("1", "kurtosis of the vorticity"),
    "pdf": ("s", "probability density of the vorticity"),
    "pdf_count": ("1", "number of vorticity values in a bin"),
}

_FILTERS = {
    "sharp": "sharp spectral filter",
    "gauss": "Gaussian filter of twice the grid spacing, then sharp spectral filter",
}
_SIZES = (64, 128)


def reference_dns() -> xr.Dataset:
    """The reference direct numerical simulation, reduced to 2 MB, in memory.

    512 x 512 points, viscosity 5e-5 m2 s-1, drag 0.1 s-1, forcing wavenumber 4, no beta: case 1
    of Mojgani et al. 2023, arXiv 2312.00907. It was made by a code other than closurax.

    - Spectra over `wavenumber`: `energy_spectrum`, `enstrophy_spectrum`,
      `enstrophy_spectrum_std`, `enstrophy_spectrum_halves`; sums over shells of width 1, so
      that their sum is the domain mean. Trust them up to wavenumber 64.
      `enstrophy_spectrum_xy` is over `wavenumber_1d`.
    - `pdf` and `pdf_count` over `vorticity_bin` of the full field; `pdf_{filter}{size}` and
      `pdf_{filter}{size}_count` of the filtered one, with filter `sharp` or `gauss` and size
      64 or 128.
    - Series over `sample_time`: `energy`, `enstrophy`, `palinstrophy`, `wmax`, `kurtosis`.
    - Snapshots `vorticity_{filter}{size}(time, x{size}, y{size})`, truncated to the
      wavenumbers below size / 2.

    Raises `DataError` if the installation lacks the file.
    """
    if not _PATH.is_file():
        raise DataError(f"This installation lacks {_PATH.name!r}; install closurax again.")
    with open_netcdf(_PATH) as dataset:
        return dataset.load()


def reduce_reference(full: xr.Dataset) -> xr.Dataset:
    """What `reference_dns` returns, from the file of the whole simulation.

    `write_dns(reduce_reference(open_dns(full_path)), path)` made the file that ships. Nothing is
    rounded; what does not fit is left out.

    Raises `DataError` if `full` lacks one of the variables.
    """
    labels = _LABELS | {
        f"{kind}_{name}{size}{suffix}": (units, f"{what} filtered by a {filter_} to {size}^2")
        for name, filter_ in _FILTERS.items()
        for size in _SIZES
        for kind, suffix, units, what in (
            ("vorticity", "", "s-1", "relative vorticity"),
            ("pdf", "", "s", "probability density of the vorticity"),
            ("pdf", "_count", "1", "number in a bin of values of the vorticity"),
        )
    }
    names = [name for name in labels if name not in ("time", *_DIMS.values())]
    require(full, "The file of the whole simulation", names)
    reduced = full[names].rename(_DIMS)
    reduced = reduced.drop_vars([name for name in ("x", "y") if name in reduced.coords])
    for size in _SIZES:
        for axis in ("x", "y"):
            name = f"{axis}{size}"
            reduced[name] = (name, np.arange(size) * (2 * np.pi / size))
            labels[name] = ("m", f"{axis} coordinate of the {size}^2 grid")
    for name in names:
        if name.endswith("_count"):
            reduced[name] = reduced[name].astype(np.int32)
    for name, (units, long_name) in labels.items():
        reduced[name].attrs = {"units": units, "long_name": long_name}
    for name in ("sharp64", "gauss64", "sharp128", "gauss128"):
        reduced[f"vorticity_{name}"].attrs["standard_name"] = "atmosphere_relative_vorticity"
    timings = ("wall_s", "wall_spinup_s", "split")
    reduced.attrs = {name: value for name, value in full.attrs.items() if name not in timings} | {
        "Conventions": "CF-1.11",
        "title": "Reference statistics of forced two-dimensional turbulence",
        "source": "direct numerical simulation at 512^2 by code independent of closurax",
        "history": "reduced by closurax.datasets.reduce_reference",
        "license": "Apache-2.0",
        "references": "https://arxiv.org/abs/2312.00907 (the flow, case 1)",
    }
    return reduced

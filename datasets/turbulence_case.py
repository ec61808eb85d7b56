"""Flow cases with the statistics that closures are judged by, from simulations of our own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from tqdm import tqdm

from closurax.physics.diagnostics import (
    energy_budget,
    energy_spectrum,
    energy_transfer,
    enstrophy_spectrum,
    enstrophy_transfer,
)
from closurax.physics.errors import DataError
from closurax.physics.spectral import SpectralGrid, coarsen
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing

from .filtered_pairs import filtered_pairs
from .netcdf_output import write_netcdf
from .validation import open_netcdf

CaseName = Literal["kf4", "kf4_beta20", "kf25", "kf4_re40k"]

_FLOWS: Final[dict[str, dict[str, Any]]] = {
    "kf4": {},
    "kf4_beta20": {"beta": 20.0},
    "kf25": {"forcing": CosineForcing(25)},
    "kf4_re40k": {"viscosity": 2.5e-5},
}
CUTOFFS: Final = (15, 31, 63)
"""The wavenumbers up to which the statistics are given: 32, 64 and 128 points without dealiasing,
or 48, 96 and 192 points of which two thirds are resolved."""

_THRESHOLDS = np.arange(1.0, 6.01, 0.25)
_BINS = np.linspace(-15.0, 15.0, 601)
_LARGEST_SHELL = 64
_STARTS = 16
_TRANSFER_SNAPSHOTS = 24
_LONGEST_LAG = 10.0

_LABELS = {
    "enstrophy_spectrum": ("s-2", "enstrophy in a wavenumber shell, mean of each block of time"),
    "energy_spectrum": ("m2 s-2", "kinetic energy in a wavenumber shell, of each block of time"),
    "vorticity_std": ("s-1", "standard deviation of the truncated vorticity"),
    "vorticity_count": ("1", "number in a bin of values of the truncated vorticity"),
    "tail_probability": ("1", "probability that absolute vorticity exceeds a threshold, by block"),
    "largest_vorticity": ("s-1", "largest absolute truncated vorticity in the domain"),
    "enstrophy": ("s-2", "domain-mean enstrophy of the truncated vorticity"),
    "energy": ("m2 s-2", "domain-mean kinetic energy"),
    "energy_rate": ("m2 s-3", "mean rate of change of the kinetic energy by each term"),
    "subgrid_energy_transfer": ("m2 s-3", "energy that the unresolved scales give to a shell"),
    "subgrid_enstrophy_transfer": ("s-3", "enstrophy that the unresolved scales give to a shell"),
    "autocorrelation": ("1", "correlation in time of the truncated vorticity at a point"),
    "vorticity": ("s-1", "snapshots to start simulations from, truncated to wavenumber 15"),
}
_TERMS = ("forcing", "viscosity", "drag")


def case_flow(name: CaseName, grid: SpectralGrid) -> BarotropicVorticity:
    """The model of a case, without a closure.

    `"kf4"` and `"kf25"` (forced at that wavenumber) and `"kf4_beta20"` are those of Mojgani et
    al. 2023, arXiv 2312.00907, at Reynolds number 2e4; `"kf4_re40k"` has twice that.
    """
    return BarotropicVorticity(grid, **_FLOWS[name])


def turbulence_case(name: CaseName) -> xr.Dataset:
    """What `case_statistics` found in a direct numerical simulation of the case, in memory.

    The simulations are those of `benchmarks/turbulence_cases.py`; nothing in closurax is trained
    on them.

    Raises `DataError` if the installation lacks the file.
    """
    path = Path(__file__).with_name("data") / f"turbulence_{name}.nc"
    if not path.is_file():
        raise DataError(f"This installation lacks {path.name!r}; install closurax again.")
    with open_netcdf(path) as dataset:
        return dataset.load()


def case_statistics(
    dns: xr.Dataset, name: CaseName, *, block_duration: float = 10.0, progress: bool = True
) -> xr.Dataset:
    """Spectra, distributions, tails, budgets, transfers, correlation times and starts of a DNS.

    **Arguments:**

    - `dns`: `vorticity(time, x, y)` in s-1 at equal intervals, as `open_dns` returns it.
    - `name`: the case that it is of.
    - `block_duration`: in s, of the blocks of time whose spread is the sampling error; longer
        than the flow is correlated.

    Raises `DataError` if the DNS is shorter than four blocks.
    """
    time = dns["time"].values
    step = float(time[1] - time[0])
    per_block = max(1, round(block_duration / step))
    blocks = (time.size - 1) // per_block
    if blocks < 4:
        raise DataError(
            f"The DNS covers {time[-1] - time[0]:g} s, which is {blocks} blocks of "
            f"{block_duration:g} s; at least four are needed for a sampling error."
        )
    # What remains over is left out at the start, where the spin-up is nearest.
    dns = dns.isel(time=slice(time.size - blocks * per_block, None))
    fine = SpectralGrid(dns.sizes["x"])
    model = case_flow(name, fine)
    grids = [SpectralGrid(3 * (cutoff + 1)) for cutoff in CUTOFFS]
    samples: dict[str, list[np.ndarray]] = {}
    coarse: list[list[np.ndarray]] = [[] for _ in grids]
    for index in tqdm(range(dns.sizes["time"]), desc="statistics", disable=not progress):
        vorticity = jnp.asarray(dns["vorticity"].isel(time=index).values)
        numbers, truncated = _of_snapshot(model, grids, vorticity)
        for key, value in numbers.items():
            samples.setdefault(key, []).append(np.asarray(value, float))
        for series, field in zip(coarse, truncated, strict=True):
            series.append(np.asarray(field))
    of_time = {key: np.stack(values) for key, values in samples.items()}
    fields = [np.stack(series) for series in coarse]
    std = np.array([np.sqrt(np.mean(field.astype(float) ** 2)) for field in fields])

    def by_block(values: np.ndarray) -> np.ndarray:
        return values.reshape(blocks, per_block, *values.shape[1:]).mean(1)

    tails = [
        np.stack([np.mean(np.abs(f) > t * s, axis=(1, 2)) for t in _THRESHOLDS], axis=-1)
        for f, s in zip(fields, std, strict=True)
    ]
    counts = [
        np.histogram(f / s, _BINS)[0].astype(np.int32) for f, s in zip(fields, std, strict=True)
    ]
    lags = np.arange(1 + min(int(_LONGEST_LAG / step), dns.sizes["time"] - 1))
    transfers = _subgrid_transfers(dns, grids, progress)
    starts = np.linspace(0, dns.sizes["time"] - 1, _STARTS).round().astype(int)
    values = {
        "enstrophy_spectrum": (("block", "k"), by_block(of_time["enstrophy_spectrum"])),
        "energy_spectrum": (("block", "k"), by_block(of_time["energy_spectrum"])),
        "vorticity_std": (("cutoff",), std),
        "vorticity_count": (("cutoff", "bin"), np.stack(counts)),
        "tail_probability": (
            ("cutoff", "block", "threshold"),
            np.stack([by_block(tail) for tail in tails]),
        ),
        "largest_vorticity": (
            ("cutoff", "time"),
            np.stack([np.abs(field).max(axis=(1, 2)) for field in fields]),
        ),
        "enstrophy": (
            ("cutoff", "time"),
            np.stack([np.mean(field.astype(float) ** 2, axis=(1, 2)) / 2 for field in fields]),
        ),
        "energy": (("time",), of_time["energy"]),
        "energy_rate": (("term",), of_time["energy_rate"].mean(0)),
        "subgrid_energy_transfer": (("cutoff", "k"), transfers[0]),
        "subgrid_enstrophy_transfer": (("cutoff", "k"), transfers[1]),
        "autocorrelation": (("lag",), autocorrelation(fields[0][None], lags)),
        "vorticity": (("start", "x", "y"), fields[0][starts]),
    }
    return xr.Dataset(
        {
            key: (dims, data, dict(zip(("units", "long_name"), _LABELS[key], strict=True)))
            for key, (dims, data) in values.items()
        },
        {
            "k": (
                "k",
                np.arange(_LARGEST_SHELL + 1.0),
                {"units": "rad m-1", "long_name": "centre of a shell of width 1 rad m-1"},
            ),
            "cutoff": ("cutoff", list(CUTOFFS), {"units": "rad m-1"}),
            "threshold": (
                "threshold",
                _THRESHOLDS,
                {"units": "1", "long_name": "threshold in standard deviations"},
            ),
            "bin": (
                "bin",
                (_BINS[1:] + _BINS[:-1]) / 2,
                {"units": "1", "long_name": "vorticity in standard deviations"},
            ),
            "time": ("time", dns["time"].values, {"units": "s"}),
            "lag": ("lag", lags * step, {"units": "s", "long_name": "lag in time"}),
            "term": ("term", list(_TERMS)),
            "x": ("x", grids[0].x, {"units": "m", "long_name": "x coordinate"}),
            "y": ("y", grids[0].y, {"units": "m", "long_name": "y coordinate"}),
        },
        {
            **dns.attrs,
            "Conventions": "CF-1.11",
            "title": "statistics of a direct numerical simulation of forced 2D turbulence",
            "case": name,
            "block_duration": block_duration,
            "references": "https://arxiv.org/abs/2312.00907 (the flow)",
        },
    )


def write_case(statistics: xr.Dataset, path: str | Path) -> None:
    """Writes what `case_statistics` returns, compressed, in single precision but for the times."""
    encoding: dict[str, dict] = {}
    for name in statistics.data_vars:
        floating = statistics[name].dtype.kind == "f"
        encoding[str(name)] = {
            "dtype": np.float32 if floating else np.int32,
            "zlib": True,
            "shuffle": True,
            "complevel": 9,
            "_FillValue": None,
        }
    write_netcdf(statistics, path, encoding)


def autocorrelation(
    fields: Float[np.ndarray, "member time nx ny"], lags: Sequence[int] | np.ndarray
) -> Float[np.ndarray, " lag"]:
    """The correlation in time of the anomalies from the mean in time, averaged over the points.

    **Arguments:**

    - `lags`: numbers of saves, less than there are times.

    Raises `DataError` for longer lags.
    """
    if np.max(lags) >= fields.shape[1]:
        raise DataError(f"A lag of {np.max(lags)} saves is not within {fields.shape[1]} times.")
    anomaly = fields - fields.mean(axis=1, keepdims=True)
    variance = np.mean(anomaly.astype(float) ** 2)
    times = fields.shape[1]
    products = [np.mean(anomaly[:, : times - lag] * anomaly[:, lag:], dtype=float) for lag in lags]
    return np.asarray(products) / variance


@eqx.filter_jit
def _of_snapshot(
    model: BarotropicVorticity, grids: list[SpectralGrid], vorticity: Float[Array, "nx ny"]
) -> tuple[dict[str, Array], list[Array]]:
    spectra = {
        "enstrophy_spectrum": enstrophy_spectrum(vorticity, model.grid),
        "energy_spectrum": energy_spectrum(vorticity, model.grid),
    }
    budget = energy_budget(model, model.initial_state(vorticity))
    numbers = {name: spectrum[: _LARGEST_SHELL + 1] for name, spectrum in spectra.items()}
    numbers["energy"] = jnp.sum(spectra["energy_spectrum"])
    numbers["energy_rate"] = jnp.stack([budget[term] for term in _TERMS])
    return numbers, [coarsen(vorticity, model.grid, grid) for grid in grids]


def _subgrid_transfers(
    dns: xr.Dataset, grids: list[SpectralGrid], progress: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Means over snapshots of what the exact subgrid tendency does to energy and enstrophy."""
    chosen = np.linspace(0, dns.sizes["time"] - 1, _TRANSFER_SNAPSHOTS).round().astype(int)
    snapshots = dns.isel(time=np.unique(chosen))
    means = np.zeros((2, len(grids), _LARGEST_SHELL + 1))
    for index, grid in enumerate(grids):
        pairs = filtered_pairs(snapshots, grid, progress=progress)
        vorticity, tendency = pairs["vorticity"].values, pairs["subgrid_tendency"].values
        for kind, transfer in enumerate((energy_transfer, enstrophy_transfer)):
            by_shell = jax.jit(lambda w, p, t=transfer, g=grid: t(w, p, g))(vorticity, tendency)
            by_shell = np.asarray(by_shell, float).mean(0)[: _LARGEST_SHELL + 1]
            means[kind, index, : by_shell.size] = by_shell
    return means[0], means[1]

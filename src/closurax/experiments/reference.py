"""What the closures are judged by: statistics of a DNS in the scales that the model resolves."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.datasets import reference_dns
from closurax.physics.diagnostics import bootstrap_interval, turbulence_statistics
from closurax.physics.errors import ExperimentError
from closurax.physics.spectral import SpectralGrid, coarsen

TAILS = (3, 4)
"""The thresholds, in standard deviations, whose exceedance probabilities become metrics."""

THRESHOLDS = np.linspace(1.0, 7.0, 25)
"""Of the curves of exceedance probabilities, in standard deviations; the tails are among them."""

PDF_POINTS = np.linspace(-8.0, 8.0, 129)
"""Where the densities are estimated, in standard deviations."""

BLOCK_DURATION = 5.0
"""Length in s of the blocks of all bootstraps: about the integral time of the energy."""

_LABELS = {
    "energy_spectrum": (("k",), "m2 s-2", "kinetic energy in each wavenumber shell"),
    "enstrophy_spectrum": (("k",), "s-2", "enstrophy in each wavenumber shell"),
    "energy_spectrum_halves": (("half", "k"), "m2 s-2", "the same in each half of the DNS"),
    "enstrophy_spectrum_halves": (("half", "k"), "s-2", "the same in each half of the DNS"),
    "vorticity_pdf": (("w",), "s", "probability density of vorticity"),
    "tail_probability": (("threshold",), "1", "probability that vorticity exceeds the threshold"),
    "tail_probability_interval": (("threshold", "bound"), "1", "its confidence interval"),
    "mean_energy": ((), "m2 s-2", "mean kinetic energy"),
    "mean_energy_interval": (("bound",), "m2 s-2", "its confidence interval"),
    "mean_enstrophy": ((), "s-2", "mean enstrophy of the resolved scales"),
    "mean_enstrophy_interval": (("bound",), "s-2", "its confidence interval"),
    "vorticity_std": ((), "s-1", "standard deviation of the filtered vorticity"),
    "vorticity": (("x", "y"), "s-1", "vorticity of a filtered snapshot"),
}


def shipped_reference(grid: SpectralGrid, confidence: float, seed: int) -> xr.Dataset:
    """The statistics that ship with closurax, of a 512 x 512 DNS over 24 s.

    The spectra are those of the DNS itself. Its vorticity distribution is that of the field
    filtered to 64 x 64 points by a sharp filter, which keeps wavenumbers up to 31 rad m-1, and
    its mean enstrophy is what of that is in the wavenumbers that `grid` resolves.

    Raises `ExperimentError` unless the grid is 64 x 64.
    """
    if grid.shape != (64, 64):
        raise ExperimentError(
            f"model.grid_points = {grid.nx}, but the reference that ships with closurax is for "
            "64; give a DNS of yours with data.dns, or set model.grid_points = 64."
        )
    shipped = reference_dns()
    shells = slice(0, grid.last_shell + 1)
    k = shipped["wavenumber"].values[shells].astype(float)
    energy = shipped["energy_spectrum"].values[shells]
    enstrophy = shipped["enstrophy_spectrum"].values[shells]
    halves = shipped["enstrophy_spectrum_halves"].values[:, shells]

    bins = shipped["vorticity_bin"].values
    probability = shipped["pdf_sharp64_count"].values.astype(float)
    probability = probability / probability.sum()
    std = float(np.sqrt(np.sum(probability * bins**2)))
    snapshots = shipped["vorticity_sharp64"].values
    resolved = np.asarray(grid.to_physical(grid.truncate(grid.to_spectral(jnp.asarray(snapshots)))))
    resolved_share = np.mean(resolved.astype(float) ** 2) / np.mean(snapshots.astype(float) ** 2)

    step = float(shipped["sample_time"][1] - shipped["sample_time"][0])
    series = {name: shipped[name].values for name in ("energy", "enstrophy")}
    mean_enstrophy = std**2 / 2 * resolved_share
    series["enstrophy"] = series["enstrophy"] * (mean_enstrophy / series["enstrophy"].mean())

    half_width = (bins[1] - bins[0]) / 2
    edges = np.append(bins - half_width, bins[-1] + half_width)
    below = np.append(0.0, np.cumsum(probability))
    tails = (
        1 - np.interp(THRESHOLDS * std, edges, below) + np.interp(-THRESHOLDS * std, edges, below)
    )
    # The counts do not tell how far the samples depend on each other; the snapshots do, which
    # are several decorrelation times apart.
    spread = np.stack([_tail_interval(snapshots, t * std, confidence, seed) for t in THRESHOLDS])
    in_snapshots = np.array([np.mean(np.abs(snapshots) > t * std) for t in THRESHOLDS])[:, None]
    unknown = np.full_like(spread, np.nan)
    relative = np.divide(spread, in_snapshots, out=unknown, where=in_snapshots > 0)
    values = {
        "energy_spectrum": energy,
        "enstrophy_spectrum": enstrophy,
        "enstrophy_spectrum_halves": halves,
        "energy_spectrum_halves": halves * (energy / np.maximum(enstrophy, 1e-30)),
        "vorticity_pdf": np.interp(PDF_POINTS * std, bins, shipped["pdf_sharp64"].values),
        "tail_probability": tails,
        "tail_probability_interval": tails[:, None] * relative,
        "vorticity_std": std,
        "vorticity": resolved[-1],
    }
    return _label(values, series, step, k, grid, confidence, seed, dict(shipped.attrs))


def reference_of(dns: xr.Dataset, grid: SpectralGrid, confidence: float, seed: int) -> xr.Dataset:
    """The statistics of the snapshots of a DNS, filtered to the wavenumbers that `grid` resolves.

    Raises `ExperimentError` if there are fewer than four snapshots.
    """
    if dns.sizes["time"] < 4:
        raise ExperimentError(
            f"data.dns holds {dns.sizes['time']} snapshots; statistics need at least 4."
        )
    fine = SpectralGrid(dns.sizes["x"], length_x=grid.length_x)
    fields = [np.asarray(coarsen(jnp.asarray(f.values), fine, grid)) for f in dns["vorticity"]]
    filtered = xr.Dataset(
        {"vorticity": (("time", "x", "y"), np.stack(fields))}, {"time": dns["time"].values}
    )
    std = float(np.sqrt(np.mean(filtered["vorticity"].values.astype(float) ** 2)))
    whole = turbulence_statistics(
        filtered,
        grid,
        pdf_points=PDF_POINTS * std,
        thresholds=list(THRESHOLDS * std),
        block_duration=BLOCK_DURATION,
        confidence=confidence,
        seed=seed,
    )
    middle = dns.sizes["time"] // 2
    parts = [filtered.isel(time=slice(None, middle)), filtered.isel(time=slice(middle, None))]
    halves = [turbulence_statistics(part, grid) for part in parts]
    shells = slice(0, grid.last_shell + 1)
    names = ("vorticity_pdf", "tail_probability", "tail_probability_interval")
    values: dict[str, Any] = {name: whole[name].values for name in names}
    for name in ("energy_spectrum", "enstrophy_spectrum"):
        values[name] = whole[name].values[shells]
        values[f"{name}_halves"] = np.stack([half[name].values[shells] for half in halves])
    values |= {"vorticity_std": std, "vorticity": fields[-1]}
    series = {name: whole[name].values for name in ("energy", "enstrophy")}
    step = float(dns["time"][1] - dns["time"][0])
    k = whole["k"].values[shells]
    return _label(values, series, step, k, grid, confidence, seed, dict(dns.attrs))


def _tail_interval(
    snapshots: np.ndarray, threshold: float, confidence: float, seed: int
) -> tuple[float, float]:
    fractions = np.mean(np.abs(snapshots) > threshold, axis=(-2, -1))
    return bootstrap_interval(fractions[None], block=1, confidence=confidence, seed=seed)


def _label(values, series, step, k, grid, confidence, seed, attrs) -> xr.Dataset:
    for name, samples in series.items():
        block = int(np.clip(round(BLOCK_DURATION / step), 1, len(samples)))
        values[f"mean_{name}"] = samples.mean()
        values[f"mean_{name}_interval"] = np.array(
            bootstrap_interval(samples[None], block=block, confidence=confidence, seed=seed)
        )
    std = values["vorticity_std"]
    data = {
        name: (dims, values[name], {"units": units, "long_name": long_name})
        for name, (dims, units, long_name) in _LABELS.items()
    }
    coords = {
        "k": ("k", k, {"units": "rad m-1", "long_name": "wavenumber of the shell"}),
        "w": ("w", PDF_POINTS * std, {"units": "s-1", "long_name": "vorticity"}),
        "threshold": (
            "threshold",
            THRESHOLDS * std,
            {"units": "s-1", "long_name": "threshold of absolute vorticity"},
        ),
        "bound": ("bound", ["low", "high"]),
        "x": ("x", grid.x, {"units": "m", "long_name": "x coordinate"}),
        "y": ("y", grid.y, {"units": "m", "long_name": "y coordinate"}),
    }
    return xr.Dataset(data, coords, {**attrs, "confidence": confidence})

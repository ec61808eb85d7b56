"""What a run with a closure says about the closure, in numbers."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.physics.diagnostics import (
    bootstrap_interval,
    log_spectrum_error,
    mean_energy,
    mean_enstrophy,
    turbulence_statistics,
)
from closurax.physics.spectral import SpectralGrid

from .reference import BLOCK_DURATION, PDF_POINTS, TAILS, THRESHOLDS
from .subgrid_turbulence_settings import Comparison

_POOLED = ("vorticity_pdf", "tail_probability", "tail_probability_interval", "blown_up_members")


def statistics_of_run(
    run: xr.Dataset, grid: SpectralGrid, reference: xr.Dataset, settings: Comparison, seed: int
) -> xr.Dataset:
    """The statistics of one run, after the spin-up and over the members that do not blow up.

    **Returns:**

    What `turbulence_statistics` returns, with the spectra averaged over the members, next to
    the spectra of each member and the series of the whole run.
    """
    std = float(reference["vorticity_std"])
    # A run ends when its last member is lost; from there on it counts as NaN.
    saves = round((settings.spin_up + settings.duration) / settings.save_every)
    times = run["time"].values[0] + settings.save_every * np.arange(saves + 1)
    run = run.reindex(time=times, method="nearest", tolerance=settings.save_every / 2)
    statistics = turbulence_statistics(
        run,
        grid,
        spin_up=settings.spin_up,
        pdf_points=PDF_POINTS * std,
        thresholds=list(THRESHOLDS * std),
        block_duration=BLOCK_DURATION,
        confidence=settings.confidence,
        seed=seed,
    )
    result = statistics[list(_POOLED)]
    survives = np.isfinite(run["vorticity"].values).all(axis=(1, 2, 3))
    for name in ("energy_spectrum", "enstrophy_spectrum"):
        by_member = statistics[name].isel(k=slice(0, reference.sizes["k"]))
        by_member = by_member.where(xr.DataArray(survives, dims="member"))
        result[f"{name}_by_member"] = by_member.assign_attrs(statistics[name].attrs)
        result[name] = by_member.mean("member").assign_attrs(statistics[name].attrs)
    energy, enstrophy = _series(jnp.asarray(run["vorticity"].values), grid)
    dims = ("member", "time")
    result["energy"] = (dims, np.asarray(energy), statistics["energy"].attrs)
    result["enstrophy"] = (dims, np.asarray(enstrophy), statistics["enstrophy"].attrs)
    return result.assign_coords(time=run["time"])


@eqx.filter_jit
def _series(vorticity, grid):
    by_time = lambda fields: (mean_energy(fields, grid), mean_enstrophy(fields, grid))  # noqa: E731
    return jax.lax.map(by_time, vorticity)


def metrics_of_run(
    statistics: xr.Dataset, reference: xr.Dataset, settings: Comparison, seed: int
) -> dict[str, float]:
    """Numbers that compare a run with the reference; without survivors only those on stability.

    Each `NAME` with a confidence interval comes with `NAME_low` and `NAME_high`.
    """
    blow_ups = int(statistics["blown_up_members"])
    members = statistics.sizes["member"]
    metrics = {"members": float(members), "blow_ups": float(blow_ups)}
    if blow_ups == members:
        return metrics
    survives = np.isfinite(statistics["energy_spectrum_by_member"].values).all(axis=1)
    first, last = settings.judged_wavenumbers
    for kind in ("energy_spectrum", "enstrophy_spectrum"):
        expected = reference[kind].values
        by_member = statistics[f"{kind}_by_member"].values[survives]
        error = float(log_spectrum_error(by_member.mean(0), expected, first, last))
        if len(by_member) == 1:
            metrics[f"{kind}_error"] = error
            continue
        # Members are independent; the error of the mean of resampled members is the interval.
        chosen = np.random.default_rng(seed).integers(
            len(by_member), size=(settings.resamples, len(by_member))
        )
        resampled = log_spectrum_error(by_member[chosen].mean(1), expected, first, last)
        outside = (1 - settings.confidence) / 2
        low, high = np.quantile(np.asarray(resampled, float), [outside, 1 - outside])
        _put(metrics, f"{kind}_error", error, low, high)
    std = float(reference["vorticity_std"])
    for tail in TAILS:
        _put_tail(metrics, statistics, tail, std)
    after = statistics["time"].values - statistics["time"].values[0] >= settings.spin_up - 1e-9
    block = max(1, min(int(after.sum()), round(BLOCK_DURATION / settings.save_every)))
    for name in ("energy", "enstrophy"):
        series = statistics[name].values[survives][:, after]
        low, high = bootstrap_interval(
            series, block=block, confidence=settings.confidence, seed=seed
        )
        _put(metrics, f"mean_{name}", float(series.mean()), low, high)
    return metrics


def metrics_of_reference(reference: xr.Dataset, settings: Comparison) -> dict[str, float]:
    """The same numbers of the reference, and by how much the spectra of its halves differ."""
    metrics: dict[str, float] = {"vorticity_std": float(reference["vorticity_std"])}
    for kind in ("energy_spectrum", "enstrophy_spectrum"):
        halves = reference[f"{kind}_halves"].values
        difference = log_spectrum_error(halves[0], halves[1], *settings.judged_wavenumbers)
        metrics[f"{kind}_difference_of_halves"] = float(difference)
    for tail in TAILS:
        _put_tail(metrics, reference, tail, metrics["vorticity_std"])
    for name in ("mean_energy", "mean_enstrophy"):
        _put(metrics, name, float(reference[name]), *reference[f"{name}_interval"].values)
    return metrics


def compare(statistics: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The statistics of all runs side by side, over the dimension `closure`."""
    names = list(statistics)
    combined = xr.concat(list(statistics.values()), dim="closure", join="outer")
    return combined.assign_coords(closure=("closure", names))


def _put_tail(
    metrics: dict[str, float], statistics: xr.Dataset, standard_deviations: int, std: float
) -> None:
    chosen = statistics.sel(threshold=standard_deviations * std, method="nearest")
    low, high = chosen["tail_probability_interval"].values
    name = f"tail_probability_{standard_deviations}std"
    _put(metrics, name, float(chosen["tail_probability"]), low, high)


def _put(metrics: dict[str, float], name: str, value: float, low: float, high: float) -> None:
    metrics.update({name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)})

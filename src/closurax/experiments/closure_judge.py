"""What a long free run with a closure says about the closure, against a case of its own."""

from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from closurax.datasets import autocorrelation, turbulence_case
from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics import AbstractScheme
from closurax.physics.diagnostics import (
    energy_budget,
    enstrophy_spectrum,
    mean_energy,
    return_levels,
)
from closurax.physics.turbulence import BarotropicVorticity

from .closure_training_settings import Check, CoarseModel
from .coarse_turbulence import coarse_model, free_run, start_states

TAILS = (3, 4, 5)
"""Thresholds in standard deviations of the DNS."""

RETURN_PERIODS = (10.0, 50.0)
"""In s."""

_PDF_LIMIT, _PDF_BINS = 5.0, 20
_BUDGET_SNAPSHOTS = 10


def judge(
    closure: AbstractScheme | None,
    settings: CoarseModel,
    check: Check,
    *,
    seed: int,
    attrs: dict[str, str],
    path: Path,
) -> dict[str, float]:
    """The `scores` of a closure in a free run, whose `statistics` are written to `path`.

    **Arguments:**

    - `settings`, `check`: of the model and of the run.
    - `seed`: of the resampling.
    - `attrs`: of the file.
    """
    case, model = turbulence_case(settings.case), coarse_model(settings)
    start = start_states(case, model, check.members)
    run = free_run(model, closure, start, settings, check, attrs)
    found = statistics(run, model.replace(subgrid=closure), case)
    write_netcdf(found, path)
    floor = sampling_error(case, model.grid.last_shell)
    return scores(found, case, check, seed) | {"reference_sampling_error": floor}


def statistics(run: xr.Dataset, model: BarotropicVorticity, case: xr.Dataset) -> xr.Dataset:
    """The spectrum, tails and distribution of each surviving member, and means over all of them.

    **Arguments:**

    - `run`: after the spin-up; `model`: with the closure that it was made with.
    - `case`: the statistics of the DNS.
    """
    last = model.grid.last_shell
    fields = run["vorticity"].values
    fields = fields[np.isfinite(fields).all(axis=(1, 2, 3))]
    std = float(case["vorticity_std"].sel(cutoff=last))
    step = float(run["time"][1] - run["time"][0])
    result = xr.Dataset(attrs=run.attrs)
    if not len(fields):
        return result
    spectra, energy, budgets = _of_members(model, jnp.asarray(fields))
    longest = min(round(float(case["lag"][-1]) / step), fields.shape[1] - 1)
    lags = np.arange(1 + longest)
    edges = np.linspace(-_PDF_LIMIT, _PDF_LIMIT, _PDF_BINS + 1)
    tails = [np.mean(np.abs(fields) > t * std, axis=(1, 2, 3)) for t in TAILS]
    counts = [np.histogram(member / std, edges)[0] / member.size for member in fields]
    maxima = np.abs(fields).max(axis=(2, 3))
    result["enstrophy_spectrum"] = (("member", "k"), np.asarray(spectra, float)[:, : last + 1])
    result["tail_probability"] = (("member", "threshold"), np.stack(tails, axis=-1))
    result["probability"] = (("member", "bin"), np.stack(counts))
    result["energy"] = (("member", "time"), np.asarray(energy, float))
    result["enstrophy"] = (
        ("member", "time"),
        np.mean(fields.astype(float) ** 2, axis=(2, 3)) / 2,
    )
    result["autocorrelation"] = ("lag", autocorrelation(fields, lags))
    result["return_level"] = ("period", return_levels(maxima, step, RETURN_PERIODS) / std)
    for name in ("subgrid", "subgrid_backscatter"):
        result[f"{name}_energy_rate"] = ((), float(np.mean(budgets[name])))
    return result.assign_coords(
        k=np.arange(last + 1.0),
        threshold=list(TAILS),
        bin=(edges[1:] + edges[:-1]) / 2,
        lag=lags * step,
        period=list(RETURN_PERIODS),
        time=run["time"].values,
    )


@eqx.filter_jit
def _of_members(model: BarotropicVorticity, fields: jax.Array):
    def of_member(member):
        spectra, energy = jax.lax.map(
            lambda w: (enstrophy_spectrum(w, model.grid), mean_energy(w, model.grid)), member
        )
        chosen = member[:: max(1, member.shape[0] // _BUDGET_SNAPSHOTS)]
        budgets = jax.lax.map(lambda w: energy_budget(model, model.initial_state(w)), chosen)
        return jnp.mean(spectra, axis=0), energy, budgets

    return jax.lax.map(of_member, fields)


def scores(found: xr.Dataset, case: xr.Dataset, check: Check, seed: int) -> dict[str, float]:
    """Numbers that compare a run with the DNS; those with an interval also as `_low`, `_high`.

    Intervals resample the members of the run and the blocks of time of the DNS together, so that
    they hold the sampling error of both. Ratios are to the DNS: one is perfect.
    """
    attrs = found.attrs
    metrics = {
        "blow_ups": float(attrs["blow_ups"]),
        "seconds_per_time_unit": float(attrs["seconds_per_time_unit"]),
    }
    if "enstrophy_spectrum" not in found:
        return metrics
    last = int(found["k"][-1])
    at_cutoff = case.sel(cutoff=last)
    shells = slice(1, last + 1)
    spectrum = found["enstrophy_spectrum"].values[:, shells]
    expected = case["enstrophy_spectrum"].values[:, shells]
    tails = found["tail_probability"].values
    expected_tails = at_cutoff["tail_probability"].sel(threshold=list(TAILS)).values

    def errors(of_members: np.ndarray, of_blocks: np.ndarray) -> dict[str, float]:
        difference = np.log(spectrum[of_members].mean(0) / expected[of_blocks].mean(0))
        values = {"spectrum_error": float(np.sqrt(np.mean(difference**2)))}
        for index, tail in enumerate(TAILS):
            found_tail, expected_tail = (
                float(tails[of_members, index].mean()),
                float(expected_tails[of_blocks, index].mean()),
            )
            values[f"tail_ratio_{tail}std"] = _ratio(found_tail, expected_tail)
        return values

    metrics |= _with_intervals(errors, len(spectrum), len(expected), check, seed)
    probability = found["probability"].values.mean(0)
    expected_probability = _rebinned(at_cutoff, found["bin"].values)
    both = (probability > 0) & (expected_probability > 0)
    metrics["pdf_error"] = _rms(np.log(probability[both] / expected_probability[both]))
    metrics["energy_ratio"] = _ratio(float(found["energy"].mean()), float(case["energy"].mean()))
    metrics["enstrophy_ratio"] = _ratio(
        float(found["enstrophy"].mean()), float(at_cutoff["enstrophy"].mean())
    )
    metrics["correlation_time_ratio"] = _ratio(_integral_time(found), _integral_time(case))
    step = float(case["time"][1] - case["time"][0])
    levels = return_levels(at_cutoff["largest_vorticity"].values, step, RETURN_PERIODS)
    for index, period in enumerate(RETURN_PERIODS):
        level = float(levels[index]) / float(at_cutoff["vorticity_std"])
        metrics[f"return_level_ratio_{period:g}s"] = _ratio(
            float(found["return_level"][index]), level
        )
    transfer = at_cutoff["subgrid_energy_transfer"].values[shells]
    metrics["subgrid_energy_rate"] = float(found["subgrid_energy_rate"])
    metrics["subgrid_backscatter_rate"] = float(found["subgrid_backscatter_energy_rate"])
    metrics["subgrid_energy_rate_dns"] = float(transfer.sum())
    metrics["subgrid_backscatter_rate_dns"] = float(transfer[transfer > 0].sum())
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def sampling_error(case: xr.Dataset, last: int) -> float:
    """How far the spectrum of the DNS itself is from that of one of infinite length: the root
    mean square over the shells of the standard error of its logarithm."""
    spectrum = case["enstrophy_spectrum"].values[:, 1 : last + 1]
    error = spectrum.std(0, ddof=1) / np.sqrt(len(spectrum))
    return _rms(error / spectrum.mean(0))


def _with_intervals(
    errors: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    members: int,
    blocks: int,
    check: Check,
    seed: int,
) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    draws = [
        errors(rng.integers(members, size=members), rng.integers(blocks, size=blocks))
        for _ in range(check.resamples)
    ]
    metrics = errors(np.arange(members), np.arange(blocks))
    outside = (1 - check.confidence) / 2
    for name in list(metrics):
        low, high = np.quantile([draw[name] for draw in draws], [outside, 1 - outside])
        metrics |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return metrics


def _rebinned(case: xr.Dataset, centres: np.ndarray) -> Float[np.ndarray, " bin"]:
    """The probability of the wider bins from the fine ones of the DNS."""
    fine, counts = case["bin"].values, case["vorticity_count"].values.astype(float)
    width = centres[1] - centres[0]
    index = np.floor((fine - (centres[0] - width / 2)) / width).astype(int)
    inside = (index >= 0) & (index < centres.size)
    return np.bincount(index[inside], counts[inside], centres.size) / counts.sum()


def _integral_time(dataset: xr.Dataset) -> float:
    """The integral of the autocorrelation up to its first zero, in s."""
    lag, values = dataset["lag"].values, dataset["autocorrelation"].values
    below = np.flatnonzero(values <= 0)
    end = below[0] if below.size else values.size
    return float(np.trapezoid(values[:end], lag[:end]))


def _ratio(value: float, expected: float) -> float:
    return float(value / expected) if expected > 0 else float("nan")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))

"""How far free runs are from the truth, and whether they stay in its climate."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.physics.diagnostics import enstrophy_spectrum, log_spectrum_error
from closurax.physics.spectral import PeriodicInterval, SpectralGrid

from .emulator_settings import EmulatorComparison

LONGER = 3


def emulator_scores(
    fields: Mapping[str, np.ndarray], times: np.ndarray, settings: EmulatorComparison
) -> xr.Dataset:
    """The scores of runs by name, `"truth"` among them, over the dimension `run`.

    **Arguments:**

    - `fields`: `(sample, time, *space)`, from the start to `LONGER` times the end.
    - `times`: of the fields, in s.

    **Returns:**

    - `l2`, `correlation`, `variance_ratio`: over `(run, sample, time)`. Of the correlation the
        means over space are taken off; the variance is that over space, relative to the truth.
    - `spectrum`: over `(run, mode)`, at the end, in the squared units of the field: half the
        square in each shell, the mean over the samples that are finite.
    """
    truth = fields["truth"]
    samples = {name: _by_sample(field, truth) for name, field in fields.items()}
    grid = _grid(settings)
    # At the end of a run, not of the long one.
    spectra = [_spectrum(field[:, settings.steps], grid) for field in fields.values()]
    dims = ("run", "sample", "time")
    return xr.Dataset(
        {
            name: (dims, np.stack([scores[name] for scores in samples.values()]))
            for name in ("l2", "correlation", "variance_ratio")
        }
        | {"spectrum": (("run", "mode"), np.stack(spectra))},
        {"run": list(fields), "time": ("time", times, {"units": "s"})},
    )


def summary(scores: xr.Dataset, settings: EmulatorComparison) -> dict[str, float]:
    """The numbers of one run; errors are means over the samples that stay finite, if any does.

    - `l2_first`, `l2_end`: after one step and after all.
    - `correlation_time`: when the correlation is first below the threshold, or else the end.
    - `log_spectrum_error`: at the end, over the shells of the truth above the floor.
    - `stable`, `stable_longer`: the part of the samples that are finite and have a variance
        within a factor of two of the truth's, at the end and at `LONGER` times the end.
    """
    steps = settings.steps
    found = {}
    for name, step in (("l2_first", 1), ("l2_end", steps)):
        errors = scores["l2"].values[:, step]
        finite = errors[np.isfinite(errors)]
        if finite.size:
            found[name] = float(finite.mean())
    found["correlation_time"] = float(np.mean(_correlation_times(scores, settings)))
    spectrum = scores["spectrum"].values
    if np.isfinite(spectrum).all():
        truth = scores["true_spectrum"].values
        floor = settings.rollouts.spectrum_floor * truth.max()
        # The shells beyond are cut off by the solver, or reach into the corners alone.
        last = min(int(np.flatnonzero(truth >= floor).max()), (settings.points - 1) // 3)
        clipped = np.maximum(spectrum, floor), np.maximum(truth, floor)
        found["log_spectrum_error"] = float(log_spectrum_error(*clipped, 1, last))
    for name, step in (("stable", steps), ("stable_longer", LONGER * steps)):
        ratio = scores["variance_ratio"].values[:, : step + 1]
        kept = np.isfinite(ratio).all(axis=1) & (ratio[:, -1] >= 0.5) & (ratio[:, -1] <= 2)
        found[name] = float(kept.mean())
    return found


def _correlation_times(scores: xr.Dataset, settings: EmulatorComparison) -> np.ndarray:
    times = scores["time"].values[: settings.steps + 1]
    correlation = scores["correlation"].values[:, : settings.steps + 1]
    # What is not finite is not correlated.
    lost = ~(correlation >= settings.rollouts.correlation_threshold)
    first = np.where(lost.any(axis=1), lost.argmax(axis=1), settings.steps)
    return times[first] - times[0]


def _by_sample(fields: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    space = tuple(range(2, fields.ndim))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        fields, truth = (values.astype(float) for values in (fields, truth))
        error = np.sqrt(np.sum((fields - truth) ** 2, axis=space) / np.sum(truth**2, axis=space))
        anomaly, true_anomaly = (
            values - values.mean(axis=space, keepdims=True) for values in (fields, truth)
        )
        variance, true_variance = (
            np.mean(values**2, axis=space) for values in (anomaly, true_anomaly)
        )
        covariance = np.mean(anomaly * true_anomaly, axis=space)
        return {
            "l2": error,
            "correlation": covariance / np.sqrt(variance * true_variance),
            "variance_ratio": variance / true_variance,
        }


def _spectrum(fields: np.ndarray, grid: SpectralGrid | PeriodicInterval) -> np.ndarray:
    finite = np.isfinite(fields).reshape(len(fields), -1).all(axis=1)
    # What is not finite is left out before it warns.
    kept = np.where(finite.reshape(-1, *(1,) * (fields.ndim - 1)), fields, 0)
    if isinstance(grid, SpectralGrid):
        spectra = np.asarray(enstrophy_spectrum(jnp.asarray(kept), grid), float)
    else:
        spectra = np.abs(np.fft.rfft(kept.astype(float))) ** 2 * grid.parseval_weight / 2
    if not finite.any():
        return np.full(spectra.shape[1:], np.nan)
    return spectra[finite].mean(axis=0)


def _grid(settings: EmulatorComparison) -> SpectralGrid | PeriodicInterval:
    length = settings.chosen.length
    if settings.equation == "navier-stokes":
        return SpectralGrid(settings.points, length_x=length)
    return PeriodicInterval(settings.points, length)

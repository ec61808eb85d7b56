"""The figures of a comparison of emulators in free runs."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .drawing import legend, line, new_figure
from .palette import look, styled


@styled()
def lead_time_figure(
    scores: xr.Dataset, names: Sequence[str], end: int, threshold: float
) -> Figure:
    """The error and the correlation by lead time, and the variance in a longer run.

    **Arguments:**

    - `scores`: `l2`, `correlation` and `variance_ratio` over `(run, sample, time)`.
    - `names`: of the runs.
    - `end`: the index of the last time that is judged by error.
    - `threshold`: the correlation below which a forecast has lost the flow.
    """
    figure, axes = new_figure(12.5, 4.4, 1, 3)
    error, correlation, variance = axes[0]
    time = scores["time"].values
    for name in names:
        chosen = scores.sel(run=name)
        # A sample that is lost would hide all others.
        l2, correlated, ratio = (
            np.median(np.nan_to_num(chosen[key].values, nan=worst, posinf=worst), axis=0)
            for key, worst in (("l2", np.inf), ("correlation", 0.0), ("variance_ratio", np.inf))
        )
        error.plot(time[1 : end + 1], 100 * _shown(l2[1 : end + 1]), **line(name))
        correlation.plot(time[: end + 1], correlated[: end + 1], **line(name))
        if np.any(ratio > 0):
            variance.plot(time, _shown(ratio), **line(name))
    correlation.axhline(threshold, color="#98a2b3", linewidth=0.8)
    variance.axhspan(0.5, 2, color="#f2f4f7", linewidth=0, zorder=0)
    variance.axvline(time[end], color="#98a2b3", linewidth=0.8, linestyle=":")
    error.set(xlabel="lead time (s)", ylabel="relative L2 (%)", yscale="log", ylim=(None, 300))
    correlation.set(xlabel="lead time (s)", ylabel="correlation with the truth", ylim=(-0.2, 1.05))
    variance.set(
        xlabel="lead time (s)", ylabel="variance, relative to the truth", yscale="log",
        ylim=(0.05, 20),
    )  # fmt: skip
    legend(figure, error)
    return figure


@styled()
def run_spectra_figure(scores: xr.Dataset, names: Sequence[str], floor: float) -> Figure:
    """The spectra at the end; shells below `floor`, relative to the largest, do not count."""
    figure, axes = new_figure(8.5, 5.0, 1, 1)
    axis = axes[0, 0]
    mode = np.arange(1, scores.sizes["mode"])
    largest = float(scores["spectrum"].sel(run="truth").max())
    for name in ("truth", *names):
        spectrum = scores["spectrum"].sel(run=name).values[1:]
        axis.plot(mode, np.where(spectrum > 0, spectrum, np.nan), **line(name))
    axis.axhspan(1e-3 * floor * largest, floor * largest, color="#f2f4f7", linewidth=0, zorder=0)
    axis.set(
        xscale="log", yscale="log", xlabel="wavenumber, waves in the domain",
        ylabel="half the mean square of the shell", ylim=(1e-2 * floor * largest, 3 * largest),
        xlim=(1, mode[-1]),
    )  # fmt: skip
    legend(figure, axis)
    return figure


@styled()
def rollouts_figure(rollouts: xr.Dataset, names: Sequence[str], sample: int = 0) -> Figure:
    """One sample of each run: fields at some times in rows, or in one dimension over time.

    `rollouts` holds `names` over `(sample, time, x, y)` or `(sample, time, x)`.
    """
    fields = {name: rollouts[name].isel(sample=sample).values for name in names}
    time = rollouts["time"].values
    largest = float(np.abs(fields["truth"]).max())
    shown = {
        "cmap": "RdBu_r", "vmin": -largest, "vmax": largest, "origin": "lower",
        "interpolation": "bilinear",
    }  # fmt: skip
    flat = fields["truth"].ndim == 2
    last = len(time) - 1
    rows = [last] if flat else sorted({max(1, last // 4), max(1, last // 2), last})
    figure, axes = new_figure(
        1.9 * len(names) + 0.8, (3.0 if flat else 1.8 * len(rows)) + 0.4, len(rows), len(names)
    )
    for column, (name, values) in enumerate(fields.items()):
        axes[0, column].set_title(look(name).label, fontsize=9, color=look(name).colour)
        for row, step in enumerate(rows):
            axis = axes[row, column]
            axis.grid(False)
            axis.set(xticks=[], yticks=[])
            if flat:
                extent = (float(time[0]), float(time[-1]), 0.0, 1.0)
                image = axis.imshow(values.T, aspect="auto", extent=extent, **shown)
            else:
                image = axis.imshow(values[step].T, **shown)
            if column == 0:
                axis.set_ylabel("x" if flat else f"{time[step] - time[0]:g} s")
            if flat:
                axis.set_xlabel("time")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.015)
    units = rollouts["truth"].attrs["units"]
    bar.set_label(f"{rollouts.attrs['variable']} ({units})")
    return figure


def _shown(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values) & (values < 1e6), values, np.nan)

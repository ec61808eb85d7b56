"""Figures of runs that are judged by the statistics of a flow case."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .drawing import legend, line, new_figure
from .palette import look, styled


@styled()
def case_spectra_figure(found: Mapping[str, xr.Dataset], case: xr.Dataset) -> Figure:
    """Enstrophy spectra of runs by name, and below them their ratio to the case.

    Runs of which no member survived are left out.
    """
    figure, axes = new_figure(11.5, 6.6, 2, 1, sharex=True, height_ratios=[1.7, 1])
    top, bottom = axes[0, 0], axes[1, 0]
    alive = {name: run for name, run in found.items() if "enstrophy_spectrum" in run}
    last = max((int(run["k"][-1]) for run in alive.values()), default=15)
    blocks = case["enstrophy_spectrum"].values[:, 1 : last + 1]
    k, expected = np.arange(1.0, last + 1), blocks.mean(0)
    error = 2 * blocks.std(0, ddof=1) / np.sqrt(len(blocks))
    band = {"color": look("reference").colour, "alpha": 0.15, "linewidth": 0}
    top.plot(k, expected, **line("reference"))
    bottom.plot(k, np.ones_like(k), **line("reference"))
    bottom.fill_between(k, 1 - error / expected, 1 + error / expected, **band)
    for name, run in alive.items():
        spectrum = run["enstrophy_spectrum"].values.mean(0)[1:]
        top.plot(k[: spectrum.size], spectrum, **line(name))
        bottom.plot(k[: spectrum.size], spectrum / expected[: spectrum.size], **line(name))
    top.set(title="Enstrophy spectrum", ylabel="enstrophy per shell (s$^{-2}$)")
    top.set(xscale="log", yscale="log", ylim=(0.3 * expected.min(), 3 * expected.max()))
    bottom.set(ylabel="ratio to DNS", xlabel="wavenumber k (rad m$^{-1}$)", yscale="log")
    bottom.set(ylim=(0.55, 1.9), xlim=(1, last))
    bottom.set_yticks([0.6, 0.8, 1, 1.25, 1.6], ["0.6", "0.8", "1", "1.25", "1.6"])
    bottom.set_yticks([], minor=True)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50) if tick <= last]
    bottom.set_xticks(ticks, [str(tick) for tick in ticks])
    legend(figure, top)
    return figure


@styled()
def learning_history_figure(history: xr.Dataset) -> Figure:
    """The loss, or the mean return with its range, over the iterations of a training."""
    figure, axes = new_figure(11.5, 3.4, 1, 1)
    axis = axes[0, 0]
    iteration = history["iteration"].values
    colour = look("learned").colour
    if "return_mean" in history:
        low, high = history["return_min"].values, history["return_max"].values
        axis.fill_between(iteration, low, high, color=colour, alpha=0.15, lw=0)
        axis.plot(iteration, history["return_mean"].values, color=colour, lw=2)
        axis.set(ylabel="return of an episode")
    else:
        error = np.sqrt(history["loss"].values)
        axis.plot(iteration, error, color=colour, lw=1, alpha=0.5)
        smooth = np.exp(-np.abs(np.subtract.outer(iteration, iteration)) / 5)
        known = np.nan_to_num(error)
        weight = smooth * np.isfinite(error)
        axis.plot(iteration, weight @ known / weight.sum(1), color=colour, lw=2.2)
        axis.set(ylabel="weighted error of ln Z", yscale="log")
    axis.set(xlabel="iteration", xlim=(iteration[0], max(iteration[-1], iteration[0] + 1)))
    return figure

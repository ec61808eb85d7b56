"""The figures of a comparison of convection schemes."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .drawing import legend, line, new_figure
from .palette import look, styled

_DAY = 86400.0


@styled()
def skill_by_level_figure(scores: Mapping[str, xr.Dataset]) -> Figure:
    """R2 of heating and moistening over the level, from the scores of each scheme."""
    figure, axes = new_figure(10.5, 5.2, 1, 2, sharey=True)
    for axis, name, title in (
        (axes[0, 0], "potential_temperature_tendency", "heating"),
        (axes[0, 1], "vapour_tendency", "moistening"),
    ):
        for scheme, dataset in scores.items():
            values = dataset[f"r2_by_level_{name}"].values
            axis.plot(values, np.arange(1, values.size + 1), **line(scheme))
        axis.set(xlim=(-0.1, 1.02), xlabel="R$^2$", title=title)
    axes[0, 0].set_ylabel("level from the ground")
    legend(figure, axes[0, 0])
    return figure


@styled()
def skill_bars_figure(
    scores: Mapping[str, Mapping[str, float]], keys: Sequence[str], titles: Sequence[str]
) -> Figure:
    """One panel of bars for each of `keys`, a bar for each scheme."""
    figure, axes = new_figure(3.0 * len(keys), 0.34 * len(scores) + 1.2, 1, len(keys), sharey=True)
    names = list(scores)[::-1]
    for axis, key, title in zip(axes[0], keys, titles, strict=True):
        values = [max(scores[name].get(key, np.nan), -0.05) for name in names]
        axis.barh(range(len(names)), values, color=[look(name).colour for name in names])
        for index, value in enumerate(values):
            axis.text(max(value, 0) + 0.02, index, f"{value:.3f}", va="center", fontsize=8)
        axis.set(title=title, xlim=(-0.05, 1.2))
        axis.grid(False)
    axes[0, 0].set_yticks(range(len(names)), [look(name).label for name in names])
    return figure


@styled()
def profiles_figure(
    profiles: Mapping[str, Mapping[str, np.ndarray]], pressure: np.ndarray
) -> Figure:
    """Profiles over pressure, one panel each.

    **Arguments:**

    - `profiles`: by title with units, then by scheme, `(level,)`.
    - `pressure`: of the levels in Pa.
    """
    width = max(9.0, 3.3 * len(profiles))
    figure, axes = new_figure(width, 4.8, 1, len(profiles), sharey=True)
    for axis, (title, by_scheme) in zip(axes[0], profiles.items(), strict=True):
        for name, values in by_scheme.items():
            axis.plot(values, pressure / 100, **line(name))
        axis.axvline(0, color="#98a2b3", linewidth=0.8)
        axis.set_title(title, fontsize=9.5)
    axes[0, 0].set(ylabel="pressure (hPa)", ylim=(pressure.max() / 100, pressure.min() / 100))
    legend(figure, axes[0, 0])
    return figure


@styled()
def rain_figure(runs: Mapping[str, xr.Dataset], hours: float = 3.0) -> Figure:
    """Convective rain, precipitable water and how often it rains how much, of each run."""
    figure, axes = new_figure(11.5, 6.6, 2, 2, width_ratios=[2.2, 1])
    rain, water, distribution, amount = axes[0, 0], axes[1, 0], axes[0, 1], axes[1, 1]
    for name, run in runs.items():
        time = run["time"].values
        step = max(1, round(hours * 3600 / float(time[1] - time[0])))
        total = run["convective_precipitation"].values
        total = total.mean(0) if total.ndim == 2 else total
        ends = np.arange(0, time.size, step)
        rate = np.diff(total[ends]) * _DAY / np.diff(time[ends])
        rain.plot(time[ends[1:]] / _DAY, rate, **line(name))
        amount.plot(time / _DAY, total, **line(name))
        column = run["precipitable_water"].values
        column = column.mean(0) if column.ndim == 2 else column
        water.plot(time / _DAY, column, **line(name))
        ordered = np.sort(rate)[::-1]
        share = (np.arange(ordered.size) + 1) / ordered.size
        distribution.plot(ordered, share, **line(name))
    rain.set(ylabel="convective rain (mm d$^{-1}$)", xlabel="day")
    water.set(ylabel="precipitable water (kg m$^{-2}$)", xlabel="day")
    distribution.set(
        xlabel="rain (mm d$^{-1}$)", ylabel=f"share of {hours:g} h with more", ylim=(0, 1)
    )
    amount.set(xlabel="day", ylabel="rain since the start (mm)")
    legend(figure, rain)
    return figure

"""The figures of a comparison of closures with a reference simulation.

They are drawn on the Agg canvas without pyplot, so that drawing them changes no global state.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .drawing import legend, line, new_figure
from .palette import look, styled


@styled()
def snapshots_figure(fields: Mapping[str, np.ndarray], limit: float) -> Figure:
    """Vorticity fields side by side on one colour scale, from `-limit` to `limit` in s-1.

    `fields` maps the names of closures to fields of shape (nx, ny); a field that is not finite
    is shown as blown up.
    """
    columns = min(6, len(fields))
    rows = -(-len(fields) // columns)
    figure, axes = new_figure(2.0 * columns + 0.6, 2.15 * rows, rows, columns)
    image = None
    for axis, (name, field) in zip(axes.flat, fields.items(), strict=False):
        axis.set_title(look(name).label, color=look(name).colour, fontsize=9.5)
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set(visible=name in ("reference", "learned"), linewidth=2.5)
            spine.set_color(look(name).colour)
        if np.isfinite(field).all():
            image = axis.imshow(
                field.T, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit,
                interpolation="bilinear",
            )  # fmt: skip
        else:
            axis.set_facecolor("#f2f4f7")
            axis.set_box_aspect(1)
            axis.text(0.5, 0.5, "blew up", ha="center", va="center", color="#667085")
            axis.set(xlim=(0, 1), ylim=(0, 1))
            axis.grid(False)
    for axis in axes.flat[len(fields) :]:
        axis.set_axis_off()
    if image is not None:
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.015, extend="both")
        bar.set_label("vorticity (s$^{-1}$)")
        bar.outline.set_visible(False)
    return figure


@styled()
def spectra_figure(
    comparison: xr.Dataset, reference: xr.Dataset, judged: tuple[int, int]
) -> Figure:
    """Energy and enstrophy spectra, and below them their ratio to the reference.

    `judged` is the range of wavenumbers over which the errors are taken.
    """
    figure, axes = new_figure(11.5, 7.6, 2, 2, sharex=True, height_ratios=[1.7, 1])
    shells = slice(1, reference.sizes["k"])
    k = reference["k"].values[shells]
    for column, kind in enumerate(("energy_spectrum", "enstrophy_spectrum")):
        top, bottom = axes[0, column], axes[1, column]
        expected = reference[kind].values[shells]
        halves = reference[f"{kind}_halves"].values[:, shells]
        low, high = halves.min(0), halves.max(0)
        band = {"color": look("reference").colour, "alpha": 0.15, "linewidth": 0}
        top.fill_between(k, low, high, **band)
        bottom.fill_between(k, low / expected, high / expected, **band)
        top.plot(k, expected, **line("reference"))
        bottom.plot(k, np.ones_like(k), **line("reference"))
        for name in _names(comparison):
            values = comparison[kind].sel(closure=name).values[shells]
            top.plot(k, values, **line(name))
            bottom.plot(k, values / expected, **line(name))
        top.set(xscale="log", yscale="log", ylim=_limits(expected))
        bottom.set(
            xscale="log", yscale="log", ylim=(0.3, 3.4), xlabel="wavenumber k (rad m$^{-1}$)"
        )
        bottom.set_yticks([0.5, 1, 2], ["½", "1", "2"])
        bottom.set_yticks([], minor=True)
        bottom.set_xlim(k[0], k[-1])
        bottom.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        for axis in (top, bottom):
            axis.axvspan(judged[1], max(k[-1], judged[1]), color="#f2f4f7", lw=0, zorder=0)
        bottom.set_ylabel("ratio to DNS")
    axes[0, 0].set(title="Energy spectrum", ylabel="energy per shell (m$^2$ s$^{-2}$)")
    axes[0, 1].set(title="Enstrophy spectrum", ylabel="enstrophy per shell (s$^{-2}$)")
    legend(figure, axes[0, 0])
    return figure


@styled()
def tails_figure(comparison: xr.Dataset, reference: xr.Dataset) -> Figure:
    """The probability density of the vorticity, and how often it exceeds a threshold."""
    figure, axes = new_figure(11.5, 4.8, 1, 2, width_ratios=[1.25, 1])
    density, exceedance = axes[0, 0], axes[0, 1]
    std = float(reference["vorticity_std"])
    w, threshold = reference["w"].values / std, reference["threshold"].values / std
    for name, dataset in (("reference", reference), *_each(comparison)):
        density.plot(w, _positive(dataset["vorticity_pdf"].values * std), **line(name))
        exceedance.plot(threshold, _positive(dataset["tail_probability"].values), **line(name))
    for name, dataset in (("reference", reference), *_each(comparison)):
        if name in ("reference", "learned"):
            low, high = _positive(dataset["tail_probability_interval"].values.T)
            colour = look(name).colour
            exceedance.fill_between(threshold, low, high, color=colour, alpha=0.15, lw=0)
    density.set(
        title="Probability density", xlabel="vorticity (standard deviations of the DNS)",
        ylabel="density", yscale="log", xlim=(-7, 7), ylim=(1e-6, 1),
    )  # fmt: skip
    exceedance.set(
        title="Extremes", xlabel="threshold (standard deviations of the DNS)",
        ylabel="probability of |vorticity| > threshold", yscale="log", xlim=(1, threshold[-1]),
        ylim=(1e-6, 1),
    )  # fmt: skip
    legend(figure, exceedance)
    return figure


@styled()
def time_series_figure(comparison: xr.Dataset, reference: xr.Dataset, spin_up: float) -> Figure:
    """Energy and enstrophy in time: member means as lines, their spread as bands."""
    figure, axes = new_figure(11.5, 6.4, 2, 1, sharex=True)
    labels = {
        "energy": ("Energy", "m$^2$ s$^{-2}$"),
        "enstrophy": ("Enstrophy of the resolved scales", "s$^{-2}$"),
    }
    time = comparison["time"].values
    for axis, (kind, (title, units)) in zip(axes.flat, labels.items(), strict=True):
        expected = float(reference[f"mean_{kind}"])
        low, high = reference[f"mean_{kind}_interval"].values
        axis.axhspan(low, high, color=look("reference").colour, alpha=0.13, lw=0)
        axis.axhline(expected, **line("reference"))
        for name in _names(comparison):
            series = comparison[kind].sel(closure=name).values
            alive = np.isfinite(series).any(0)
            mean = np.full(time.shape, np.nan)
            mean[alive] = np.nanmean(series[:, alive], 0)
            axis.plot(time, mean, **line(name))
            if name == "learned":
                spread = np.nanmin(series[:, alive], 0), np.nanmax(series[:, alive], 0)
                axis.fill_between(time[alive], *spread, color=look(name).colour, alpha=0.13, lw=0)
        axis.axvspan(time[0], time[0] + spin_up, color="#f2f4f7", lw=0, zorder=0)
        # Runs that are about to blow up would hide all others.
        shown = np.concatenate([line.get_ydata() for line in axis.lines])
        top = min(1.08 * np.nanmax(shown), 2.5 * expected)
        axis.set(title=title, ylabel=units, xlim=(time[0], time[-1]))
        axis.set_ylim(0.9 * np.nanmin(shown), top)
    axes[0, 0].text(
        time[0] + spin_up / 2, 0.94, "spin-up", color="#667085", ha="center", va="top",
        transform=axes[0, 0].get_xaxis_transform(),
    )  # fmt: skip
    axes[-1, 0].set_xlabel("time (s)")
    legend(figure, axes[0, 0])
    return figure


@styled()
def training_figure(history: xr.Dataset) -> Figure:
    """Training and validation loss by epoch, and which epoch was taken."""
    figure, axes = new_figure(11.5, 3.4, 1, 1)
    axis = axes[0, 0]
    epoch = history["epoch"].values
    colours = {"training": "#667085", "validation": look("learned").colour}
    for part, colour in colours.items():
        axis.plot(epoch, history[f"{part}_loss"].values, color=colour, lw=2, label=part)
    axis.axvline(history.attrs["best_epoch"], color="#98a2b3", lw=1, ls=":", label="taken")
    axis.set(xlabel="epoch", ylabel="error relative to the variance", xlim=(epoch[0], epoch[-1]))
    axis.legend(loc="upper right", ncols=3)
    return figure


def _names(comparison: xr.Dataset) -> list[str]:
    return [str(name) for name in comparison["closure"].values]


def _each(comparison: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    return [(name, comparison.sel(closure=name)) for name in _names(comparison)]


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _limits(expected: np.ndarray) -> tuple[float, float]:
    return 0.3 * float(np.nanmin(expected)), 3.0 * float(np.nanmax(expected))

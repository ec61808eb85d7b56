"""The figures of a field that solves a differential equation."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.collections import EllipseCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from .drawing import legend, line, new_figure
from .palette import styled

# Of a box of three axes, slices at these parts of the first axis are shown.
_SLICES = (0.0, 0.5, 1.0)
_DECADES = 1e-4
_SMALLEST_WEIGHT = 1e-6


@styled()
def solution_figure(solution: xr.Dataset, name: str) -> Figure:
    """A field, and below it the size of its error.

    **Arguments:**

    - `solution`: the field `name` and `{name}_error` over two or three coordinates; of the first
        of three, slices at its ends and in the middle are shown.
    - `name`: of the field.
    """
    dims = solution[name].dims
    slices: list[tuple[str, xr.Dataset]] = [("", solution)]
    if len(dims) == 3:
        places = [round(part * (solution.sizes[dims[0]] - 1)) for part in _SLICES]
        chosen = [solution.isel({dims[0]: place}) for place in places]
        slices = [(f", {dims[0]} = {float(each[dims[0]]):.3g}", each) for each in chosen]
    x, y = dims[-2:]
    figure, axes = new_figure(3.6 * max(len(slices), 2), 6.4, 2, len(slices))
    limit = float(np.abs(solution[name]).max()) or 1.0
    error = np.abs(solution[f"{name}_error"])
    # An error of zero has no logarithm.
    largest = float(error.max()) or 1.0
    norm = LogNorm(_DECADES * largest, largest)
    for column, (where, each) in enumerate(slices):
        above, below = axes[:, column]
        shown = above.pcolormesh(
            each[x], each[y], each[name].values.T, cmap="RdBu_r", vmin=-limit, vmax=limit
        )
        wrong = np.maximum(np.abs(each[f"{name}_error"].values.T), _DECADES * largest)
        wrongly = below.pcolormesh(each[x], each[y], wrong, cmap="magma", norm=norm)
        above.set_title(f"{name}{where}")
        below.set_title(f"size of the error{where}")
        for axis in (above, below):
            axis.set(xlabel=x, ylabel=y)
            axis.grid(False)
    figure.colorbar(shown, ax=axes[0, :].tolist(), label=name)
    figure.colorbar(wrongly, ax=axes[1, :].tolist(), extend="min")
    return figure


@styled()
def gaussians_figure(gaussians: Mapping[str, xr.Dataset], lower: Mapping, upper: Mapping) -> Figure:
    """The Gaussians as ellipses in the plane of two axes, with a quarter of their widths.

    **Arguments:**

    - `gaussians`: by a title, one or several to compare, each with `centre` and `width` over
        `(gaussian, coordinate)`, and `weight` over `(gaussian, field)`.
    - `lower`, `upper`: the ends of the box by the name of a coordinate; the first two are shown.
    """
    names = list(lower)[:2]
    low, high = (np.array([ends[name] for name in names]) for ends in (lower, upper))
    planes = [each.sel(coordinate=names) for each in gaussians.values()]
    centres = np.concatenate([plane["centre"].values for plane in planes])
    begin, end = np.minimum(centres.min(0), low), np.maximum(centres.max(0), high)
    margin = 0.03 * (end - begin)
    columns = min(len(planes), 2)
    rows = -(-len(planes) // columns)
    width, height = (7.6, 6.2) if len(planes) == 1 else (5.2 * columns, 4.4 * rows)
    figure, axes = new_figure(width, height, rows, columns)
    for axis in axes.flat[len(planes) :]:
        axis.set_axis_off()
    for axis, title, plane in zip(axes.flat, gaussians, planes, strict=False):
        ellipses = _ellipses(axis, plane)
        corners = [low, [high[0], low[1]], high, [low[0], high[1]], low]
        axis.plot(*np.array(corners).T, color="#1d2939", linewidth=1.2)
        axis.set(
            title=title, xlabel=names[0], ylabel=names[1],
            xlim=(begin[0] - margin[0], end[0] + margin[0]),
            ylim=(begin[1] - margin[1], end[1] + margin[1]),
        )  # fmt: skip
        axis.title.set_size(9 if len(planes) > 1 else 11)
        axis.grid(False)
    figure.colorbar(
        ellipses, ax=axes.ravel().tolist(), label="weight, of the largest", extend="min"
    )
    return figure


def _ellipses(axis, plane: xr.Dataset) -> EllipseCollection:
    widths = np.abs(plane["width"].values) / 2
    sizes = np.abs(plane["weight"].values).max(axis=1)
    sizes = np.maximum(sizes / (sizes.max() or 1.0), _SMALLEST_WEIGHT)
    order = np.argsort(sizes)
    ellipses = EllipseCollection(
        widths[order, 0], widths[order, 1], 0, units="xy",
        offsets=plane["centre"].values[order], offset_transform=axis.transData,
        array=sizes[order], norm=LogNorm(_SMALLEST_WEIGHT, 1.0), cmap="viridis",
        facecolors="none", linewidths=0.8,
    )  # fmt: skip
    axis.add_collection(ellipses)
    return ellipses


@styled()
def spacing_figure(gaussians: Mapping[str, xr.Dataset], coordinate: str) -> Figure:
    """How far apart Gaussians on a line are, by place, in several steps of a search.

    **Arguments:**

    - `gaussians`: by a title, each with `centre` over `(gaussian, coordinate)`.
    - `coordinate`: its name.
    """
    figure, axes = new_figure(8.5, 4.6, 1, 1)
    axis = axes[0, 0]
    for shade, (title, each) in zip(
        np.linspace(0.85, 0.0, len(gaussians)), gaussians.items(), strict=True
    ):
        centres = np.sort(each["centre"].sel(coordinate=coordinate).values)
        middles = (centres[1:] + centres[:-1]) / 2
        axis.plot(middles, np.diff(centres), color=colormaps["viridis"](shade), label=title)
    axis.set(xlabel=coordinate, ylabel="distance between neighbours", yscale="log")
    axis.legend()
    return figure


@styled()
def weights_over_time_figure(gaussians: xr.Dataset, time: str, coordinate: str) -> Figure:
    """The sizes of the weights of Gaussians on a line by their centres and by time.

    **Arguments:**

    - `gaussians`: `centre` over `(gaussian, coordinate)`, and `weight` over
        `(time, gaussian, field)`.
    - `time`, `coordinate`: their names.
    """
    centres = gaussians["centre"].sel(coordinate=coordinate).values
    order = np.argsort(centres)
    sizes = np.abs(gaussians["weight"].values).max(axis=-1)[:, order]
    largest = sizes.max() or 1.0
    figure, axes = new_figure(8.5, 4.6, 1, 1)
    axis = axes[0, 0]
    shown = axis.pcolormesh(
        centres[order], gaussians[time], np.maximum(sizes, 1e-6 * largest),
        cmap="viridis", norm=LogNorm(1e-6 * largest, largest), shading="nearest",
    )  # fmt: skip
    # As the ticks of a rug: where there are many, they are black.
    axis.plot(
        centres, np.full(len(centres), 1.02), "|", color="#1d2939", markersize=8, clip_on=False,
        markeredgewidth=0.4, transform=axis.get_xaxis_transform(),
    )  # fmt: skip
    axis.set(xlabel=coordinate, ylabel=time)
    axis.grid(False)
    figure.colorbar(shown, ax=axis, label="size of the weight", extend="min")
    return figure


@styled()
def field_convergence_figure(
    errors: Mapping[str, Mapping[int, float]], published: float | None
) -> Figure:
    """The error by the number of weights.

    **Arguments:**

    - `errors`: by the name of a method and the number.
    - `published`: an error to compare with.
    """
    figure, axes = new_figure(8.5, 4.6, 1, 1)
    axis = axes[0, 0]
    for name, by_number in errors.items():
        numbers = sorted(by_number)
        axis.plot(numbers, [by_number[number] for number in numbers], marker="o", **line(name))
    axis.axhline(1.0, **line("zero"))
    if published is not None:
        axis.axhline(published, **line("published"))
    axis.set(xlabel="weights", ylabel="relative L2 error", xscale="log", yscale="log")
    ticks = sorted({number for by_number in errors.values() for number in by_number})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xticks([], minor=True)
    legend(figure, axis)
    return figure

"""The figure of coefficients that were found from observations."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .drawing import new_figure
from .palette import look, styled

# Of a normal distribution, within which 95 % lie.
_INTERVAL = 1.96


@styled()
def estimates_figure(
    panels: Sequence[tuple[str, Mapping[str, list[float]], float, float]],
) -> Figure:
    """Relative errors of estimates with their intervals, one panel for each coefficient.

    **Arguments:**

    - `panels`: a title, the `values` and `deviations` of all realisations, the truth, and the
        smallest possible relative standard deviation.
    """
    figure, axes = new_figure(4.0 * len(panels), 3.8, 1, len(panels))
    for axis, (title, estimates, truth, bound) in zip(axes[0], panels, strict=True):
        errors = np.asarray(estimates["values"]) / truth - 1
        intervals = _INTERVAL * np.asarray(estimates["deviations"]) / truth
        axis.axhspan(-_INTERVAL * bound, _INTERVAL * bound, color="#e4e7ec", zorder=0)
        axis.axhline(0, color="#000000", linewidth=1.0)
        axis.errorbar(
            np.arange(1, len(errors) + 1), errors, intervals,
            fmt="o", markersize=4, color=look("gaussians").colour, linewidth=1.2,
        )  # fmt: skip
        axis.set(xlabel="realisation", ylabel="relative error")
        axis.set_title(title)
        axis.ticklabel_format(axis="y", scilimits=(-2, 2))
    return figure

"""The figures of a comparison of operators."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .drawing import legend, line, new_figure
from .palette import look, styled


@styled()
def fields_figure(predictions: xr.Dataset, names: Sequence[str], sample: int = 0) -> Figure:
    """The input, the true output, and below each prediction its error, of one sample.

    **Arguments:**

    - `predictions`: `input`, `truth` and the names over `(sample, x, y)`.
    - `names`: of the operators.
    """
    figure, axes = new_figure(2.5 * (len(names) + 1), 5.0, 2, len(names) + 1)
    chosen = predictions.isel(sample=sample)
    truth = chosen["truth"].values
    largest = max(float(np.abs(chosen[name].values - truth).max()) for name in names)
    shown = {"aspect": "equal", "origin": "lower", "extent": (0, 1, 0, 1)}
    axes[0, 0].imshow(chosen["input"].values.T, cmap="cividis", **shown)
    axes[0, 0].set_title(f"input {predictions.attrs['input']}")
    limits = {"vmin": truth.min(), "vmax": truth.max(), "cmap": "viridis"}
    axes[1, 0].imshow(truth.T, **limits, **shown)
    axes[1, 0].set_title(f"true {predictions.attrs['output']}")
    for column, name in enumerate(names, start=1):
        axes[0, column].imshow(chosen[name].values.T, **limits, **shown)
        axes[0, column].set_title(look(name).label)
        error = axes[1, column].imshow(
            (chosen[name].values - truth).T, cmap="RdBu_r", vmin=-largest, vmax=largest, **shown
        )
        axes[1, column].set_title("error")
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
    figure.colorbar(error, ax=axes[1, :].tolist(), shrink=0.8)
    return figure


@styled()
def learning_curves_figure(histories: Mapping[str, xr.Dataset]) -> Figure:
    """The validation loss over the time of training."""
    figure, axes = new_figure(8.5, 4.4, 1, 1)
    axis = axes[0, 0]
    for name, history in histories.items():
        axis.plot(history["learning_time"], 100 * history["validation_loss"], **line(name))
    axis.set(xlabel="training (s)", ylabel="validation loss (%)", yscale="log")
    legend(figure, axis)
    return figure

"""What the figures of all reports share."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .palette import look, styled


def new_figure(width: float, height: float, rows: int, columns: int, **layout):
    """A figure of this size in inches and its axes, in rows and columns."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **layout)


def legend(figure: Figure, axis) -> None:
    """The legend of one axis above the whole figure."""
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=5)


def line(name: str) -> dict:
    """How the line of a scheme is drawn, for matplotlib."""
    style = look(name)
    return {
        "color": style.colour,
        "linestyle": style.dashes,
        "linewidth": style.width,
        "zorder": style.order,
        "label": style.label,
    }


@styled()
def save_png(figure: Figure, path) -> None:
    """Writes a figure in the style of the report."""
    figure.savefig(path)

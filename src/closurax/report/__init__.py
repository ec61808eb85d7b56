"""Reports: what a run looks like on paper."""

from .figures import (
    save_png as save_png,
    snapshots_figure as snapshots_figure,
    spectra_figure as spectra_figure,
    tails_figure as tails_figure,
    time_series_figure as time_series_figure,
    training_figure as training_figure,
)
from .html import Figure as Figure, Page as Page, Table as Table
from .palette import Look as Look, look as look

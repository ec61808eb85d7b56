"""Reports: what a run looks like on paper."""

from .case_figures import (
    case_spectra_figure as case_spectra_figure,
    learning_history_figure as learning_history_figure,
)
from .convection_figures import (
    profiles_figure as profiles_figure,
    rain_figure as rain_figure,
    skill_bars_figure as skill_bars_figure,
    skill_by_level_figure as skill_by_level_figure,
)
from .drawing import save_png as save_png
from .emulator_figures import (
    lead_time_figure as lead_time_figure,
    rollouts_figure as rollouts_figure,
    run_spectra_figure as run_spectra_figure,
)
from .field_figures import (
    field_convergence_figure as field_convergence_figure,
    gaussians_figure as gaussians_figure,
    solution_figure as solution_figure,
    spacing_figure as spacing_figure,
    weights_over_time_figure as weights_over_time_figure,
)
from .figures import (
    snapshots_figure as snapshots_figure,
    spectra_figure as spectra_figure,
    tails_figure as tails_figure,
    time_series_figure as time_series_figure,
    training_figure as training_figure,
)
from .html import Figure as Figure, Page as Page, Table as Table
from .inverse_figures import estimates_figure as estimates_figure
from .operator_figures import (
    fields_figure as fields_figure,
    learning_curves_figure as learning_curves_figure,
)
from .palette import Look as Look, look as look

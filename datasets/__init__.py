if __name__ == "datasets":
    raise ModuleNotFoundError(
        "This folder is the package `closurax.datasets`: write `import closurax.datasets`."
    )

from .batches import Batches as Batches
from .bomex import bomex as bomex
from .coarser_pairs import coarser_pairs as coarser_pairs
from .column_case import open_column_case as open_column_case
from .column_generator import (
    ColumnRecipe as ColumnRecipe,
    draw_columns as draw_columns,
    label_columns as label_columns,
)
from .column_levels import sigma_interfaces as sigma_interfaces
from .convection_columns import (
    column_inputs as column_inputs,
    column_targets as column_targets,
    leave_out_grid_spacings as leave_out_grid_spacings,
    open_convection_columns as open_convection_columns,
    sounding_groups as sounding_groups,
    split_by_sounding as split_by_sounding,
)
from .dns import open_dns as open_dns, write_dns as write_dns
from .filtered_pairs import (
    filtered_pairs as filtered_pairs,
    open_pairs as open_pairs,
    training_pairs as training_pairs,
    write_pairs as write_pairs,
)
from .forced_sounding import forced_sounding_case as forced_sounding_case
from .generate_darcy import generate_darcy as generate_darcy
from .generate_dns import generate_dns as generate_dns
from .generate_helmholtz import generate_helmholtz as generate_helmholtz
from .generate_trajectories import (
    generate_trajectories as generate_trajectories,
    open_trajectories as open_trajectories,
)
from .lazy_samples import LazySamples as LazySamples, lazy_samples as lazy_samples
from .normalisers import Standardiser as Standardiser
from .operator_data import open_fields as open_fields
from .parent_soundings import (
    parent_soundings as parent_soundings,
    sars_soundings as sars_soundings,
    split_soundings as split_soundings,
    write_soundings as write_soundings,
)
from .pdebench import open_pdebench as open_pdebench
from .reference_dns import reduce_reference as reduce_reference, reference_dns as reference_dns
from .sounding import case_from_sounding as case_from_sounding, read_sounding as read_sounding
from .splits import split_by_time_block as split_by_time_block
from .symmetries import dihedral_copies as dihedral_copies
from .the_well import open_the_well as open_the_well
from .trajectory_windows import (
    TrajectoryWindows as TrajectoryWindows,
    WindowSteps as WindowSteps,
    windows as windows,
)
from .turbulence_case import (
    autocorrelation as autocorrelation,
    case_flow as case_flow,
    case_statistics as case_statistics,
    turbulence_case as turbulence_case,
    write_case as write_case,
)
from .weisman_klemp import weisman_klemp as weisman_klemp

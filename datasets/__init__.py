if __name__ == "datasets":
    raise ModuleNotFoundError(
        "This folder is the package `closurax.datasets`: write `import closurax.datasets`."
    )

from .batches import Batches as Batches
from .bomex import bomex as bomex
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
from .generate_dns import generate_dns as generate_dns
from .normalisers import Standardiser as Standardiser
from .parent_soundings import (
    parent_soundings as parent_soundings,
    sars_soundings as sars_soundings,
    split_soundings as split_soundings,
    write_soundings as write_soundings,
)
from .reference_dns import reduce_reference as reduce_reference, reference_dns as reference_dns
from .sounding import case_from_sounding as case_from_sounding, read_sounding as read_sounding
from .splits import split_by_time_block as split_by_time_block
from .weisman_klemp import weisman_klemp as weisman_klemp

from .budgets import energy_budget as energy_budget, enstrophy_budget as enstrophy_budget
from .pdf import (
    bootstrap_interval as bootstrap_interval,
    kernel_density as kernel_density,
    return_levels as return_levels,
    tail_probability as tail_probability,
    vorticity_pdf as vorticity_pdf,
)
from .scores import log_spectrum_error as log_spectrum_error
from .spectra import (
    energy_density as energy_density,
    energy_spectrum as energy_spectrum,
    enstrophy_density as enstrophy_density,
    enstrophy_spectrum as enstrophy_spectrum,
    mean_energy as mean_energy,
    mean_enstrophy as mean_enstrophy,
    one_dimensional_enstrophy_spectrum as one_dimensional_enstrophy_spectrum,
    shell_index as shell_index,
    shell_sum as shell_sum,
    shell_wavenumbers as shell_wavenumbers,
)
from .statistics import turbulence_statistics as turbulence_statistics
from .transfer import (
    advective_tendency as advective_tendency,
    energy_transfer as energy_transfer,
    enstrophy_transfer as enstrophy_transfer,
    scheme_tendency as scheme_tendency,
    spectral_flux as spectral_flux,
)

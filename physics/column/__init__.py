from . import conservation as conservation, thermodynamics as thermodynamics
from .air import Air as Air
from .atmospheric_column import AtmosphericColumn as AtmosphericColumn
from .case import recorded_convection as recorded_convection
from .column_state import ColumnState as ColumnState
from .condensate import (
    AbstractCondensate as AbstractCondensate,
    Prognostic as Prognostic,
    Reevaporated as Reevaporated,
)
from .convection import AbstractConvection as AbstractConvection
from .diffusion import (
    BoundaryLayerDiffusion as BoundaryLayerDiffusion,
    ImplicitDiffusion as ImplicitDiffusion,
)
from .fallout import Fallout as Fallout
from .geostrophic_wind import GeostrophicForcing as GeostrophicForcing
from .levels import ColumnLevels as ColumnLevels
from .persistent_convection import (
    ConvectiveMemory as ConvectiveMemory,
    PersistentConvection as PersistentConvection,
)
from .prescribed_tendencies import PrescribedTendencies as PrescribedTendencies
from .prescribed_wind import PrescribedWind as PrescribedWind
from .process import (
    AbstractAdjustment as AbstractAdjustment,
    AbstractProcess as AbstractProcess,
    Relaxed as Relaxed,
)
from .recorded_convection import RecordedConvection as RecordedConvection
from .relaxation import Relaxation as Relaxation
from .saturation_adjustment import CloudCondensation as CloudCondensation, RainOut as RainOut
from .surface import (
    AbstractSurface as AbstractSurface,
    BulkSurface as BulkSurface,
    PrescribedSurface as PrescribedSurface,
)
from .surface_conditions import SurfaceConditions as SurfaceConditions
from .surface_fluxes import SurfaceFluxes as SurfaceFluxes
from .time_series import TimeSeries as TimeSeries, constant as constant
from .vapour_floor import VapourFloor as VapourFloor
from .vertical_advection import VerticalAdvection as VerticalAdvection
from .vertical_motion import Gust as Gust, VerticalMotion as VerticalMotion

from .agreement import check_agreement as check_agreement
from .allen_cahn import AllenCahn as AllenCahn
from .box_quadrature import box_quadrature as box_quadrature
from .burgers import Burgers as Burgers
from .chebyshev_cavity import (
    ChebyshevCavity as ChebyshevCavity,
    StreamBasis as StreamBasis,
    galerkin_flow as galerkin_flow,
    residual_size as residual_size,
)
from .clustered import Clustered as Clustered
from .corner_stream import corner_stream as corner_stream
from .cosine_allen_cahn import CosineAllenCahn as CosineAllenCahn
from .finite_volume_diffusion import FiniteVolumeDiffusion as FiniteVolumeDiffusion
from .flow_mixing import FlowMixing as FlowMixing
from .helmholtz import Helmholtz as Helmholtz
from .jet import Jet as Jet, jet_at as jet_at, jet_through as jet_through
from .klein_gordon import KleinGordon as KleinGordon
from .lid_driven_cavity import (
    CavityVelocity as CavityVelocity,
    LidDrivenCavity as LidDrivenCavity,
)
from .nonlinear_diffusion import NonlinearDiffusion as NonlinearDiffusion
from .parametric import Parametric as Parametric
from .plane_burgers import PlaneBurgers as PlaneBurgers
from .poisson import Poisson as Poisson
from .problem import (
    AbstractEvolution as AbstractEvolution,
    AbstractProblem as AbstractProblem,
    Condition as Condition,
)
from .sampling import (
    face_points as face_points,
    grid_axes as grid_axes,
    grid_points as grid_points,
    interior_points as interior_points,
)
from .walls import blended as blended, wall_conditions as wall_conditions
from .without_conditions import WithoutConditions as WithoutConditions

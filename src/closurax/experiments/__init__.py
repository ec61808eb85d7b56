"""Experiments: what they are made of and how they run."""

from .closure_training_settings import (
    TurbulenceOnline as TurbulenceOnline,
    TurbulencePPO as TurbulencePPO,
    TurbulenceVRACER as TurbulenceVRACER,
)
from .convection_columns_settings import ConvectionColumns as ConvectionColumns
from .convection_settings import Convection as Convection
from .emulator_settings import EmulatorComparison as EmulatorComparison
from .field_evolution_settings import (
    AllenCahnPIG as AllenCahnPIG,
    BurgersPIG as BurgersPIG,
    FieldEvolution as FieldEvolution,
    FlowMixingPIG as FlowMixingPIG,
    NonlinearDiffusionPIG as NonlinearDiffusionPIG,
    PlaneBurgersPIG as PlaneBurgersPIG,
)
from .field_settings import (
    CavityPIG as CavityPIG,
    FieldExperiment as FieldExperiment,
    HelmholtzPIG as HelmholtzPIG,
    KleinGordonPIG as KleinGordonPIG,
)
from .generate_darcy_settings import GenerateDarcy as GenerateDarcy
from .generate_helmholtz_settings import GenerateHelmholtz as GenerateHelmholtz
from .generate_trajectories_settings import GenerateTrajectories as GenerateTrajectories
from .inverse_settings import InverseAllenCahn as InverseAllenCahn
from .operator_settings import OperatorComparison as OperatorComparison
from .settings import AbstractExperiment as AbstractExperiment
from .subgrid_turbulence_settings import SubgridTurbulence as SubgridTurbulence
from .turbulence_compare_settings import TurbulenceCompare as TurbulenceCompare
from .turbulence_dns_settings import TurbulenceDNS as TurbulenceDNS

EXPERIMENTS: dict[str, type[AbstractExperiment]] = {
    "subgrid-turbulence": SubgridTurbulence,
    "turbulence-dns": TurbulenceDNS,
    "turbulence-online": TurbulenceOnline,
    "turbulence-ppo": TurbulencePPO,
    "turbulence-vracer": TurbulenceVRACER,
    "turbulence-compare": TurbulenceCompare,
    "convection": Convection,
    "convection-columns": ConvectionColumns,
    "darcy": OperatorComparison,
    "helmholtz": OperatorComparison,
    "navier-stokes-emulator": EmulatorComparison,
    "helmholtz-pig": HelmholtzPIG,
    "klein-gordon-pig": KleinGordonPIG,
    "cavity-pig": CavityPIG,
    "allen-cahn-pig": AllenCahnPIG,
    "burgers-pig": BurgersPIG,
    "plane-burgers-pig": PlaneBurgersPIG,
    "flow-mixing-pig": FlowMixingPIG,
    "nonlinear-diffusion-pig": NonlinearDiffusionPIG,
    "inverse-allen-cahn-pig": InverseAllenCahn,
    "generate-darcy": GenerateDarcy,
    "generate-helmholtz": GenerateHelmholtz,
    "generate-trajectories": GenerateTrajectories,
}

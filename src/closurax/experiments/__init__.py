"""Experiments: what they are made of and how they run."""

from .closure_training_settings import (
    TurbulenceOnline as TurbulenceOnline,
    TurbulencePPO as TurbulencePPO,
    TurbulenceVRACER as TurbulenceVRACER,
)
from .convection_columns_settings import ConvectionColumns as ConvectionColumns
from .convection_settings import Convection as Convection
from .emulator_settings import EmulatorComparison as EmulatorComparison
from .field_settings import (
    FieldExperiment as FieldExperiment,
    HelmholtzPIG as HelmholtzPIG,
    KleinGordonPIG as KleinGordonPIG,
)
from .generate_darcy_settings import GenerateDarcy as GenerateDarcy
from .generate_helmholtz_settings import GenerateHelmholtz as GenerateHelmholtz
from .generate_trajectories_settings import GenerateTrajectories as GenerateTrajectories
from .operator_settings import OperatorComparison as OperatorComparison
from .settings import AbstractExperiment as AbstractExperiment
from .subgrid_turbulence_settings import SubgridTurbulence as SubgridTurbulence
from .turbulence_dns_settings import TurbulenceDNS as TurbulenceDNS

EXPERIMENTS: dict[str, type[AbstractExperiment]] = {
    "subgrid-turbulence": SubgridTurbulence,
    "turbulence-dns": TurbulenceDNS,
    "turbulence-online": TurbulenceOnline,
    "convection": Convection,
    "convection-columns": ConvectionColumns,
    "darcy": OperatorComparison,
    "helmholtz": OperatorComparison,
    "navier-stokes-emulator": EmulatorComparison,
    "helmholtz-pig": HelmholtzPIG,
    "klein-gordon-pig": KleinGordonPIG,
    "generate-darcy": GenerateDarcy,
    "generate-helmholtz": GenerateHelmholtz,
    "generate-trajectories": GenerateTrajectories,
}

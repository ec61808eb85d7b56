"""Experiments: what they are made of and how they run."""

from .convection_columns_settings import ConvectionColumns as ConvectionColumns
from .convection_settings import Convection as Convection
from .settings import AbstractExperiment as AbstractExperiment
from .subgrid_turbulence_settings import SubgridTurbulence as SubgridTurbulence
from .turbulence_dns_settings import TurbulenceDNS as TurbulenceDNS

EXPERIMENTS: dict[str, type[AbstractExperiment]] = {
    "subgrid-turbulence": SubgridTurbulence,
    "turbulence-dns": TurbulenceDNS,
    "convection": Convection,
    "convection-columns": ConvectionColumns,
}

"""Experiments: what they are made of and how they run."""

from .settings import AbstractExperiment as AbstractExperiment
from .subgrid_turbulence_settings import SubgridTurbulence as SubgridTurbulence
from .turbulence_dns_settings import TurbulenceDNS as TurbulenceDNS

EXPERIMENTS: dict[str, type[AbstractExperiment]] = {
    "subgrid-turbulence": SubgridTurbulence,
    "turbulence-dns": TurbulenceDNS,
}

"""The physical closures of an experiment, with the constants of its settings."""

from closurax.physics import AbstractScheme
from closurax.physics.closures import (
    DynamicLeith,
    DynamicSmagorinsky,
    GradientModel,
    JansenHeldBackscatter,
    Leith,
    Smagorinsky,
)
from closurax.physics.spectral import SpectralGrid

from .subgrid_turbulence_settings import Closures


def physical_closure(name: str, settings: Closures, grid: SpectralGrid) -> AbstractScheme:
    """The closure called `name` in the settings; gradient models get their width in m."""
    match name:
        case "smagorinsky":
            chosen = settings.smagorinsky
            return Smagorinsky(chosen.coefficient, chosen.average)
        case "dynamic_smagorinsky":
            return DynamicSmagorinsky(settings.dynamic_smagorinsky.average)
        case "leith":
            return Leith(settings.leith.coefficient, settings.leith.average)
        case "dynamic_leith":
            return DynamicLeith(settings.dynamic_leith.average)
        case "jansen_held":
            return JansenHeldBackscatter(
                settings.jansen_held.coefficient, settings.jansen_held.fraction
            )
        case "gradient_2":
            return GradientModel(2, settings.gradient_2.width * grid.spacing)
        case "gradient_4":
            return GradientModel(4, settings.gradient_4.width * grid.spacing)
    raise ValueError(f"There is no physical closure {name!r}.")

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
            return Smagorinsky(coefficient=chosen.coefficient, average=chosen.average)
        case "dynamic_smagorinsky":
            return DynamicSmagorinsky(average=settings.dynamic_smagorinsky.average)
        case "leith":
            return Leith(coefficient=settings.leith.coefficient, average=settings.leith.average)
        case "dynamic_leith":
            return DynamicLeith(average=settings.dynamic_leith.average)
        case "jansen_held":
            constants = settings.jansen_held
            return JansenHeldBackscatter(
                coefficient=constants.coefficient, fraction=constants.fraction
            )
        case "gradient_2":
            return GradientModel(order=2, width=settings.gradient_2.width * grid.spacing)
        case "gradient_4":
            return GradientModel(order=4, width=settings.gradient_4.width * grid.spacing)
    raise ValueError(f"There is no physical closure {name!r}.")

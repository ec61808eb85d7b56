import equinox as eqx
from jaxtyping import Array, Complex

from ..spectral.grid import SpectralGrid
from .average import check_average
from .germano import dynamic_tendency
from .smagorinsky import smagorinsky_stress
from .spectral_closure import AbstractSpectralClosure


class DynamicSmagorinsky(AbstractSpectralClosure):
    r"""Smagorinsky's closure with $C_S^2$ from the Germano identity, never negative.

    The test filter is sharp, at half the resolved wavenumbers; see `germano.py`. The coefficient
    is one number for the domain, or with `average="local"` a field whose least squares are
    averaged under a Gaussian of four grid spacings.

    Germano, Piomelli, Moin and Cabot 1991, Phys. Fluids A 3, 1760; Lilly 1992, Phys. Fluids A 4,
    633.
    """

    average: str = eqx.field(static=True, default="domain")

    def __check_init__(self):
        check_average(type(self).__name__, self.average)

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        return dynamic_tendency(grid, vorticity_hat, smagorinsky_stress, self.average)

import equinox as eqx
from jaxtyping import Array, Complex

from ..spectral.grid import SpectralGrid
from .average import check_average
from .germano import dynamic_tendency
from .leith import leith_stress
from .spectral_closure import AbstractSpectralClosure


class DynamicLeith(AbstractSpectralClosure):
    r"""Leith's closure with $C_L^3$ from the Germano identity, never negative.

    Filter and averages are those of `DynamicSmagorinsky`.

    Germano, Piomelli, Moin and Cabot 1991, Phys. Fluids A 3, 1760; Lilly 1992, Phys. Fluids A 4,
    633; Leith 1996, Physica D 98, 481.
    """

    average: str = eqx.field(static=True, default="domain")

    def __check_init__(self):
        check_average(type(self).__name__, self.average)

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        return dynamic_tendency(grid, vorticity_hat, leith_stress, self.average)

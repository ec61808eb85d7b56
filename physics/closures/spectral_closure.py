"""The shape that the physical closures share: spectral vorticity in, its tendency out."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Complex

from ..scheme import AbstractMemorylessScheme, Quantity
from ..spectral.grid import SpectralGrid

SPECTRAL_VORTICITY = Quantity("spectral_vorticity", "s-1")
SPECTRAL_VORTICITY_TENDENCY = Quantity("spectral_vorticity_tendency", "s-2")


class AbstractSpectralClosure(AbstractMemorylessScheme):
    r"""A memoryless subgrid closure of two-dimensional flow, computed in spectral space.

    Subclasses write `vorticity_tendency`, the term $\Pi$ that stands for the curl of minus the
    divergence of the subgrid stress.
    """

    reads = (SPECTRAL_VORTICITY,)
    returns = (SPECTRAL_VORTICITY_TENDENCY,)

    @abstractmethod
    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        """The coefficients of the subgrid term, in s-2, at the resolved wavenumbers."""

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        tendency = self.vorticity_tendency(inputs["grid"], inputs[SPECTRAL_VORTICITY.name])
        return {SPECTRAL_VORTICITY_TENDENCY.name: tendency}

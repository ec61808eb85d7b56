from jaxtyping import Array, Complex, Float

from closurax.physics.closures import AbstractSpectralClosure
from closurax.physics.spectral import SpectralGrid

from .coefficient_forms import AbstractCoefficientForm


class HeldCoefficients(AbstractSpectralClosure):
    """A form of eddy viscosity with given coefficients, on one grid."""

    form: AbstractCoefficientForm
    coefficients: Float[Array, "channel nx ny"]

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        """Raises `GridMismatchError` if the coefficients are not on the grid."""
        grid.check(self.coefficients, "coefficients")
        coefficients = self.coefficients.astype(vorticity_hat.real.dtype)
        return self.form.vorticity_tendency(grid, vorticity_hat, coefficients)

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from ..errors import ClosuraxError
from ..spectral.grid import SpectralGrid
from .eddy_viscosity import curl_divergence, gradient_hat, strain_hat
from .spectral_closure import AbstractSpectralClosure


class GradientModel(AbstractSpectralClosure):
    r"""The subgrid stress of a Gaussian filter, expanded in its width: GM2 or GM4.

    A Gaussian filter of width $\Delta$ is $\exp(\Delta^2 \nabla^2 / 24)$. Applied to a product,
    the part of the Laplacian that mixes the two factors gives, with the filtered velocity $u_i$,

    $$\tau_{ij} = \frac{\Delta^2}{12} \partial_k u_i \partial_k u_j
    + \frac{\Delta^4}{288} \partial_k \partial_l u_i \partial_k \partial_l u_j
    + O(\Delta^6), \qquad \Pi = -\nabla \times \nabla \cdot \tau.$$

    `order=2` keeps the first term, `order=4` both. Without divergence, the traceless part of
    $\partial_k u_i \partial_k u_j$ is $\omega/2$ times the strain turned by 45 degrees,
    $\omega\, (-(u_y + v_x), u_x - v_y) / 2$, and the second term is the same with the
    derivatives of each factor; the products are quadratic and free of aliasing.

    Exact to the order given, but not dissipative: GM2 is unstable on its own.

    Leonard 1974, Adv. Geophys. 18A, 237; Clark, Ferziger and Reynolds 1979, J. Fluid Mech. 91, 1;
    the fourth order for two-dimensional turbulence in Jakhar et al. 2025, arXiv 2509.20365.
    """

    order: int = eqx.field(static=True, default=2)
    width: float | None = None
    """The filter width in m; twice the grid spacing if not given."""

    def __check_init__(self):
        if self.order not in (2, 4):
            raise ClosuraxError(f"GradientModel: `order` is {self.order!r}; it may be 2 or 4.")

    def vorticity_tendency(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Complex[Array, "nx nk"]:
        width = 2 * grid.spacing if self.width is None else self.width
        factors_hat = jnp.concatenate([vorticity_hat[None], strain_hat(grid, vorticity_hat)])[None]
        if self.order == 2:
            stress = width**2 / 12 * _turned_strain(grid.to_physical(factors_hat))
        else:
            derivatives_hat = gradient_hat(grid, factors_hat[0])
            factors = grid.to_physical(jnp.concatenate([factors_hat, derivatives_hat]))
            stress = width**2 / 12 * _turned_strain(factors[:1])
            stress = stress + width**4 / 288 * _turned_strain(factors[1:])
        return -curl_divergence(grid, grid.to_spectral(stress))


def _turned_strain(factors: Float[Array, "derivatives 3 nx ny"]) -> Float[Array, "2 nx ny"]:
    vorticity, stretching, shear = factors[:, 0], factors[:, 1], factors[:, 2]
    return jnp.stack(
        [-jnp.sum(vorticity * shear, axis=0) / 2, jnp.sum(vorticity * stretching, axis=0) / 2]
    )

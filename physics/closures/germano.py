r"""The dynamic procedure: the coefficient of a closure from the resolved scales themselves.

With a test filter (hat) of twice the width, the subgrid terms of a closure
$\Pi = c\, \nabla \times \nabla \cdot m(\omega, \Delta)$ for the grid and for the test filter
must differ by what the resolved scales between the two do (Germano, Piomelli, Moin and Cabot
1991, Phys. Fluids A 3, 1760):

$$L = \nabla \times \nabla \cdot
\left(\hat u_i \hat u_j - \widehat{u_i u_j}\right) = c M, \qquad
M = \nabla \times \nabla \cdot \left[m_{ij}(\hat\omega, 2 \Delta)
- \widehat{m_{ij}(\omega, \Delta)}\right].$$

The least-squares solution is $c = \langle L M \rangle / \langle M M \rangle$ (Lilly 1992, Phys.
Fluids A 4, 633); $c$ is $C_S^2$ for Smagorinsky's closure and $C_L^3$ for Leith's. A negative
result is clipped to zero.

The identity is taken for the vorticity, not for the stress. In two dimensions the energy goes to
larger scales, so least squares on the stress ask for little viscosity or a negative one, while
those on the vorticity see the enstrophy go to smaller scales. As the model truncates its fields
sharply, so does the test filter, at half the resolved wavenumbers.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from ..spectral.filters import gaussian_filter
from ..spectral.grid import SpectralGrid
from .eddy_viscosity import Scalar, curl_divergence, ratio, velocity_hat

UnitStress = Callable[[SpectralGrid, Complex[Array, "nx nk"], Scalar], Float[Array, "2 nx ny"]]


class GermanoIdentity(NamedTuple):
    """Both sides of $L = c M$ in s-2, and the closure's stress at the grid scale for $c = 1$."""

    resolved: Float[Array, "nx ny"]
    modelled: Float[Array, "nx ny"]
    unit_stress_hat: Complex[Array, "2 nx nk"]


def germano_identity(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"], unit_stress: UnitStress
) -> GermanoIdentity:
    """**Arguments:**

    - `grid`, `vorticity_hat`: the resolved flow.
    - `unit_stress`: maps grid, vorticity and filter width to the viscous stress in m2 s-2 of
        the closure with coefficient one.
    """
    test_filter = _half_resolved(grid)
    levels_hat = jnp.stack([vorticity_hat, grid.multiply(test_filter, vorticity_hat)])
    widths = jnp.asarray([grid.spacing, 2 * grid.spacing], vorticity_hat.real.dtype)
    viscous = jax.vmap(lambda level, width: unit_stress(grid, level, width))(levels_hat, widths)
    u, v = grid.to_physical(velocity_hat(grid, levels_hat))
    advective = jnp.stack([(u - v) * (u + v) / 2, u * v], axis=1)
    stress_hat = grid.to_spectral(jnp.stack([advective, viscous]))
    difference_hat = grid.multiply(test_filter, stress_hat[:, 1] - stress_hat[:, 0])
    resolved_hat = curl_divergence(grid, difference_hat[0])
    modelled_hat = curl_divergence(grid, difference_hat[1])
    resolved, modelled = grid.to_physical(jnp.stack([resolved_hat, modelled_hat]))
    return GermanoIdentity(resolved, modelled, stress_hat[1, 0])


def least_squares(identity: GermanoIdentity) -> Float[Array, "2 nx ny"]:
    """$L M$ and $M M$, to be averaged."""
    return identity.modelled[None] * jnp.stack([identity.resolved, identity.modelled])


def domain_mean(field: Float[Array, "2 nx ny"]) -> Float[Array, " 2"]:
    return jnp.mean(field, axis=(1, 2))


def local_mean(grid: SpectralGrid, field: Float[Array, "2 nx ny"]) -> Float[Array, "2 nx ny"]:
    """The average under a Gaussian of four grid spacings.

    Not under the sharp test filter, because the average of a square must not be negative.
    """
    transfer = gaussian_filter(grid, 4 * grid.spacing)
    return grid.to_physical(grid.multiply(transfer, grid.to_spectral(field)))


def clipped_coefficient(averages: Float[Array, "2 *shape"]) -> Float[Array, "*shape"]:
    """The coefficient from the averages of $L M$ and $M M$."""
    numerator, denominator = jnp.maximum(averages, 0.0)
    return ratio(numerator, denominator)


def dynamic_tendency(
    grid: SpectralGrid,
    vorticity_hat: Complex[Array, "nx nk"],
    unit_stress: UnitStress,
    average: str,
) -> Complex[Array, "nx nk"]:
    """The subgrid term with a dynamic coefficient, uniform or local."""
    identity = germano_identity(grid, vorticity_hat, unit_stress)
    if average == "local":
        coefficient = clipped_coefficient(local_mean(grid, least_squares(identity)))
        stress = coefficient[None] * grid.to_physical(identity.unit_stress_hat)
        return curl_divergence(grid, grid.to_spectral(stress))
    coefficient = clipped_coefficient(domain_mean(least_squares(identity)))
    return uniform_coefficient_tendency(grid, identity, coefficient)


def uniform_coefficient_tendency(
    grid: SpectralGrid, identity: GermanoIdentity, coefficient: Float[Array, ""]
) -> Complex[Array, "nx nk"]:
    unit_tendency = curl_divergence(grid, identity.unit_stress_hat)
    return coefficient.astype(unit_tendency.dtype) * unit_tendency


def _half_resolved(grid: SpectralGrid) -> Bool[np.ndarray, "nx nk"]:
    """The test filter: true for the wavenumbers up to half of the largest resolved ones."""
    return (np.abs(grid.mode_x) <= (grid.nx - 1) // 3 // 2) & (
        np.abs(grid.mode_y) <= (grid.ny - 1) // 3 // 2
    )

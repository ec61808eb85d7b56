r"""Strain, gradients and the curl of a stress, from which the closures are built.

A traceless symmetric tensor $T_{ij}$ in two dimensions has two components, $(T_{11}, T_{12})$.
The strain is kept as $2 S_{ij}$, that is $(u_x - v_y, u_y + v_x)$, so that an eddy viscosity
times the strain is the viscous stress $2 \nu_e S_{ij}$. The trace of a stress acts as a pressure
and does not enter.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..spectral.grid import SpectralGrid

Scalar = float | Float[Array, ""]


def velocity_hat(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "*batch nx nk"]
) -> Complex[Array, "2 *batch nx nk"]:
    """The velocity $(u, v)$ in m s-1."""
    streamfunction_hat = grid.inverse_laplacian(vorticity_hat)
    return jnp.stack(
        [-grid.derivative_y(streamfunction_hat), grid.derivative_x(streamfunction_hat)]
    )


def strain_hat(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "*batch nx nk"]
) -> Complex[Array, "2 *batch nx nk"]:
    """The strain $(u_x - v_y, u_y + v_x)$ in s-1."""
    stretching = -2 * grid.kx * grid.ky * grid.inverse_k_squared
    shear = (grid.kx**2 - grid.ky**2) * grid.inverse_k_squared
    return jnp.stack(
        [grid.multiply(stretching, vorticity_hat), grid.multiply(shear, vorticity_hat)]
    )


def gradient_hat(
    grid: SpectralGrid, field_hat: Complex[Array, "*batch nx nk"]
) -> Complex[Array, "2 *batch nx nk"]:
    return jnp.stack([grid.derivative_x(field_hat), grid.derivative_y(field_hat)])


def square_root(square: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The square root, with derivative zero where it is zero."""
    is_zero = square == 0
    return jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, square)))


def ratio(
    numerator: Float[Array, "*shape"], denominator: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The quotient of two fields, zero where the denominator is."""
    is_zero = denominator == 0
    return jnp.where(is_zero, 0.0, numerator / jnp.where(is_zero, 1.0, denominator))


def magnitude(vector: Float[Array, "2 *batch nx ny"]) -> Float[Array, "*batch nx ny"]:
    return square_root(jnp.sum(vector**2, axis=0))


def curl_divergence(
    grid: SpectralGrid, stress_hat: Complex[Array, "2 nx nk"]
) -> Complex[Array, "nx nk"]:
    r"""$(\partial_x^2 - \partial_y^2) T_{12} - 2 \partial_x \partial_y T_{11}$ in s-2.

    The curl of the divergence of a traceless symmetric stress in m2 s-2; it conserves momentum
    and mean vorticity. Truncated to the resolved wavenumbers.
    """
    of_diagonal = 2 * grid.kx * grid.ky * grid.resolved
    of_shear = (grid.ky**2 - grid.kx**2) * grid.resolved
    return grid.multiply(of_diagonal, stress_hat[0]) + grid.multiply(of_shear, stress_hat[1])


def uniform_viscosity_tendency(
    grid: SpectralGrid, viscosity: Scalar, vorticity_hat: Complex[Array, "nx nk"]
) -> Complex[Array, "nx nk"]:
    r"""$\nu_e \nabla^2 \omega$, to which the stress form reduces for a uniform viscosity."""
    laplacian_hat = grid.laplacian(vorticity_hat)
    return jnp.asarray(viscosity, laplacian_hat.dtype) * laplacian_hat


def mean_product(
    grid: SpectralGrid,
    first_hat: Complex[Array, "*batch nx nk"],
    second_hat: Complex[Array, "*batch nx nk"],
) -> Float[Array, ""]:
    """The domain mean of the product of two fields, summed over any leading axes."""
    product = first_hat.real * second_hat.real + first_hat.imag * second_hat.imag
    weight = np.broadcast_to(grid.parseval_weight, product.shape)
    return jnp.sum(jnp.asarray(weight, product.dtype) * product)

from jaxtyping import Array, Complex

from ..spectral.periodic_interval import PeriodicInterval


def self_advection(
    grid: PeriodicInterval, velocity_hat: Complex[Array, " nk"]
) -> Complex[Array, " nk"]:
    r"""The dealiased $-\partial_x (u^2 / 2)$ in spectral space.

    `velocity_hat` must be truncated to the resolved wavenumbers; so is the result. It conserves
    the mean exactly and, but for the time stepping, the mean of $u^2$.
    """
    velocity = grid.to_physical(velocity_hat)
    return grid.multiply(-0.5j * grid.k * grid.resolved, grid.to_spectral(velocity * velocity))

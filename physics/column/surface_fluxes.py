import jax.numpy as jnp
from jaxtyping import Array

from .air import Air
from .process import AbstractProcess
from .thermodynamics import HEAT_CAPACITY


class SurfaceFluxes(AbstractProcess):
    r"""The fluxes of heat, vapour and momentum into the lowest layer.

    $\partial_t T_1 = H / (c_p m_1)$, $\partial_t q_1 = E / m_1$ and
    $\partial_t \mathbf{u}_1 = -\rho u_*^2 \mathbf{u}_1 / (|\mathbf{u}_1| m_1)$ with the mass $m_1$
    of the layer. Without diffusion they stay there.
    """

    def __call__(self, t, air: Air) -> dict[str, Array]:
        surface, state = air.surface, air.state
        if surface is None:
            raise ValueError("The air has no surface.")
        lowest = jnp.zeros_like(air.mass).at[0].set(1 / air.mass[0])
        u, v = state.eastward_wind, state.northward_wind
        speed = jnp.sqrt(u[0] ** 2 + v[0] ** 2 + 1e-6)
        drag = air.density[0] * surface.friction_velocity**2 / speed
        return {
            "temperature": surface.sensible_heat_flux / HEAT_CAPACITY * lowest,
            "vapour": surface.moisture_flux * lowest,
            "eastward_wind": -drag * u[0] * lowest,
            "northward_wind": -drag * v[0] * lowest,
        }

"""Turbulent diffusion in the boundary layer, with a profile of the diffusivity."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Float

from .air import Air
from .process import AbstractAdjustment, AbstractProcess
from .surface import VON_KARMAN, buoyancy_flux

Profile = Float[Array, " level"]


class BoundaryLayerDiffusion(AbstractProcess):
    r"""Diffusion of potential temperature, moisture and momentum in the boundary layer.

    $K = \kappa w_s z (1 - z / h)^2$ below the boundary layer height $h$, and a small background
    everywhere, where $w_s^3 = u_*^3 + 0.6\, w_*^3$ if it is unstable, with
    $w_*^3 = h\, \overline{w'b'}$, and $w_s = u_* / (1 + 5 z / L)$ if it is stable: Holtslag and
    Boville 1993, J. Climate 6, 1825. There is no flux through the ground and the top, so that the
    column's integral of every diffused quantity is conserved; `SurfaceFluxes` adds the fluxes.
    """

    background: float = 0.01
    """In m2 s-1."""
    fields: tuple[str, ...] = eqx.field(
        static=True,
        default=(
            "temperature", "vapour", "cloud_water", "cloud_ice", "eastward_wind", "northward_wind",
        ),
    )  # fmt: skip
    """The fields of `ColumnState` that are diffused."""

    def __call__(self, t, air: Air) -> dict[str, Array]:
        conductance = self.conductance(air)
        return self._by_field(air, lambda values: _divergence(conductance, values) / air.mass)

    def diffusivity(self, air: Air) -> Float[Array, " interface"]:
        """At the interfaces between the layers in m2 s-1."""
        surface = air.surface
        if surface is None:
            raise ValueError("The air has no surface.")
        z = air.interface_height[1:-1]
        depth = jnp.maximum(surface.boundary_layer_height, 1.0)
        flux = buoyancy_flux(air, surface.sensible_heat_flux, surface.moisture_flux)
        convective = 0.6 * depth * jnp.maximum(flux, 0)
        # The cube root has no derivative at zero.
        unstable = jnp.cbrt(surface.friction_velocity**3 + convective + 1e-9)
        stability = jnp.maximum(surface.stability_parameter, 0) * z / air.height[0]
        inside = jnp.maximum(1 - z / depth, 0)
        return VON_KARMAN * unstable / (1 + 5 * stability) * z * inside**2 + self.background

    def conductance(self, air: Air) -> Float[Array, " interface"]:
        r"""$\rho K / \Delta z$ between the layers in kg m-2 s-1."""
        distance = air.height[1:] - air.height[:-1]
        return air.interface_density[1:-1] * self.diffusivity(air) / distance

    def implicit_step(self, dt, air: Air) -> dict[str, Array]:
        """The increments over one backward Euler step of `dt` in s."""
        dt = jnp.asarray(dt, air.pressure.dtype)
        flow = dt * self.conductance(air)
        zero = jnp.zeros_like(flow[:1])
        diagonal = air.mass + jnp.concatenate([flow, zero]) + jnp.concatenate([zero, flow])
        operator = lx.TridiagonalLinearOperator(diagonal, -flow, -flow)

        def increment(values: Profile) -> Profile:
            # Solved for the increment, whose rounding is the smaller.
            change = _divergence(flow, values)
            return lx.linear_solve(operator, change, lx.Tridiagonal()).value

        return self._by_field(air, increment)

    def _by_field(self, air: Air, change) -> dict[str, Array]:
        values = jnp.stack(
            [
                air.potential_temperature if name == "temperature" else getattr(air.state, name)
                for name in self.fields
            ]
        )
        changes = dict(zip(self.fields, jax.vmap(change)(values), strict=True))
        if "temperature" in changes:
            changes["temperature"] = changes["temperature"] * air.exner
        return changes


class ImplicitDiffusion(AbstractAdjustment):
    """A backward Euler step of diffusion at the end of each step: stable for every step size."""

    diffusion: BoundaryLayerDiffusion = BoundaryLayerDiffusion()

    def __call__(self, t, dt, air: Air) -> dict[str, Array]:
        return self.diffusion.implicit_step(dt, air)

    def as_process(self, time_scale: float) -> AbstractProcess:
        return self.diffusion


def _divergence(flow: Float[Array, " interface"], values: Profile) -> Profile:
    """What flows into each layer from its neighbours."""
    downward = flow * (values[1:] - values[:-1])
    zero = jnp.zeros_like(downward[:1])
    return jnp.concatenate([downward, zero]) - jnp.concatenate([zero, downward])

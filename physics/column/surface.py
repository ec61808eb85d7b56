"""The ground: what it gives to the air, prescribed or from bulk formulas."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .air import Air
from .surface_conditions import SurfaceConditions
from .thermodynamics import (
    GRAVITY,
    HEAT_CAPACITY,
    exner_function,
    latent_heat_of_vaporisation,
    saturation_mixing_ratio,
    virtual_temperature,
)
from .time_series import TimeSeries

VON_KARMAN = 0.4
_CRITICAL_RICHARDSON = 0.25
_LARGEST_STABILITY = 10.0

Scalar = Float[Array, ""]


class AbstractSurface(eqx.Module):
    """The ground under a column: `surface(t, air)` returns its conditions at the time `t` in s."""

    @abstractmethod
    def __call__(self, t, air: Air) -> SurfaceConditions:
        """The conditions at the ground."""


class PrescribedSurface(AbstractSurface):
    """Fluxes given as series in time.

    `series` is a dict of scalars: `sensible_heat_flux` and `latent_heat_flux` in W m-2, upward;
    `friction_velocity` in m s-1; and, or else they follow from the state, `boundary_layer_height`
    in m and `stability_parameter`. Without fluxes there are none; without a friction velocity it
    is 0.1 m s-1.
    """

    series: TimeSeries

    def __call__(self, t, air: Air) -> SurfaceConditions:
        dtype = air.pressure.dtype
        given = self.series(t, dtype)
        zero = jnp.zeros((), dtype)
        return _complete(
            air,
            sensible_heat_flux=given.get("sensible_heat_flux", zero),
            moisture_flux=given.get("latent_heat_flux", zero)
            / latent_heat_of_vaporisation(air.state.temperature[0]),
            friction_velocity=given.get("friction_velocity", jnp.asarray(0.1, dtype)),
            boundary_layer_height=given.get("boundary_layer_height"),
            stability_parameter=given.get("stability_parameter"),
        )


class BulkSurface(AbstractSurface):
    r"""Fluxes over water of a given temperature, by bulk formulas.

    $H = \rho c_p C_H U (\theta_s - \theta)$, $E = \rho C_E U [q_s(T_s) - q]$,
    $u_*^2 = C_D U^2$, with the lowest level's values and $U^2 = u^2 + v^2 + U_0^2$.
    """

    temperature: TimeSeries
    """Of the surface in K."""
    heat_coefficient: float = 1.2e-3
    """$C_H$."""
    moisture_coefficient: float = 1.2e-3
    """$C_E$."""
    drag_coefficient: float = 1.2e-3
    """$C_D$."""
    gustiness: float = 1.0
    """$U_0$ in m s-1."""

    def __call__(self, t, air: Air) -> SurfaceConditions:
        state = air.state
        temperature = self.temperature(t, air.pressure.dtype)
        pressure = air.pressure[0] + 0.5 * GRAVITY * air.mass[0]
        speed = jnp.sqrt(
            state.eastward_wind[0] ** 2 + state.northward_wind[0] ** 2 + self.gustiness**2
        )
        flow = air.density[0] * speed
        jump = temperature / exner_function(pressure) - air.potential_temperature[0]
        saturation = saturation_mixing_ratio(pressure, temperature)
        return _complete(
            air,
            sensible_heat_flux=HEAT_CAPACITY * self.heat_coefficient * flow * jump,
            moisture_flux=self.moisture_coefficient * flow * (saturation - state.vapour[0]),
            friction_velocity=jnp.sqrt(self.drag_coefficient) * speed,
        )


def _complete(
    air: Air,
    *,
    sensible_heat_flux: Scalar,
    moisture_flux: Scalar,
    friction_velocity: Scalar,
    boundary_layer_height: Scalar | None = None,
    stability_parameter: Scalar | None = None,
) -> SurfaceConditions:
    if boundary_layer_height is None:
        boundary_layer_height = bulk_richardson_height(air)
    if stability_parameter is None:
        stability_parameter = _stability(air, sensible_heat_flux, moisture_flux, friction_velocity)
    return SurfaceConditions(
        sensible_heat_flux,
        moisture_flux,
        friction_velocity,
        boundary_layer_height,
        stability_parameter,
    )


def bulk_richardson_height(air: Air) -> Scalar:
    r"""Where the bulk Richardson number first exceeds 0.25, in m, linear between the levels.

    $g z (\theta_v - \theta_{v1}) / (\theta_{v1} U^2)$ with $U^2 \ge 1\,\mathrm{m^2 s^{-2}}$: Troen
    and Mahrt 1986, Boundary-Layer Meteorol. 37, 129.
    """
    state, height = air.state, air.height
    virtual = virtual_temperature(air.potential_temperature, state.vapour)
    speed_squared = jnp.maximum(state.eastward_wind**2 + state.northward_wind**2, 1.0)
    number = GRAVITY * height * (virtual - virtual[0]) / (virtual[0] * speed_squared)
    above = jnp.argmax(number > _CRITICAL_RICHARDSON)
    above = jnp.where(jnp.any(number > _CRITICAL_RICHARDSON), above, number.size - 1)
    below = jnp.maximum(above - 1, 0)
    rise = number[above] - number[below]
    share = jnp.where(rise > 0, (_CRITICAL_RICHARDSON - number[below]) / jnp.maximum(rise, 1e-6), 1)
    return height[below] + jnp.clip(share, 0, 1) * (height[above] - height[below])


def buoyancy_flux(air: Air, sensible_heat_flux: Scalar, moisture_flux: Scalar) -> Scalar:
    r"""$g\, \overline{w'\theta_v'} / \theta_v$ at the ground in m2 s-3."""
    density, vapour = air.density[0], air.state.vapour[0]
    heat = sensible_heat_flux / (density * HEAT_CAPACITY) / air.exner[0]
    moisture = moisture_flux / density
    theta = air.potential_temperature[0]
    virtual = heat * (1 + 0.608 * vapour) + 0.608 * theta * moisture
    return GRAVITY * virtual / virtual_temperature(theta, vapour)


def _stability(
    air: Air, sensible_heat_flux: Scalar, moisture_flux: Scalar, friction_velocity: Scalar
) -> Scalar:
    flux = buoyancy_flux(air, sensible_heat_flux, moisture_flux)
    stability = -VON_KARMAN * air.height[0] * flux / jnp.maximum(friction_velocity, 1e-2) ** 3
    return jnp.clip(stability, -_LARGEST_STABILITY, _LARGEST_STABILITY)

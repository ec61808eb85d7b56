"""Condensation at once: what is above saturation condenses and heats the air."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .air import Air
from .process import AbstractAdjustment, AbstractProcess, Relaxed
from .thermodynamics import (
    HEAT_CAPACITY,
    SATURATION_OFFSET,
    SATURATION_POLE,
    SATURATION_SLOPE,
    latent_heat_of_vaporisation,
    saturation_mixing_ratio,
)

Profile = Float[Array, " level"]


class RainOut(AbstractAdjustment):
    """What is above saturation rains to the ground at once. Nothing evaporates on the way.

    $c_p T + L q$, with the latent heat $L$ of the temperature before, is conserved, and with the
    rain so is water.
    """

    iterations: int = eqx.field(static=True, default=1)
    """Newton steps; one leaves a few per cent of the excess."""

    def __call__(self, t, dt, air: Air) -> dict[str, Array]:
        state = air.state
        latent_heat = latent_heat_of_vaporisation(state.temperature)
        condensed = condensation(
            air.pressure, state.temperature, state.vapour, jnp.zeros_like(state.vapour),
            self.iterations,
        )  # fmt: skip
        return {
            "temperature": latent_heat / HEAT_CAPACITY * condensed,
            "vapour": -condensed,
            "grid_scale_precipitation": jnp.sum(air.mass * condensed),
        }

    def as_process(self, time_scale: float) -> AbstractProcess:
        return Relaxed(self, time_scale)


class CloudCondensation(AbstractAdjustment):
    """Vapour above saturation becomes cloud water, and cloud evaporates below saturation.

    Cloud water evaporates first, then cloud ice, both with the latent heat $L$ of vaporisation
    at the temperature before: $c_p T + L q$ and water are conserved.
    """

    iterations: int = eqx.field(static=True, default=3)
    """Newton steps."""

    def __call__(self, t, dt, air: Air) -> dict[str, Array]:
        state = air.state
        latent_heat = latent_heat_of_vaporisation(state.temperature)
        condensed = condensation(
            air.pressure, state.temperature, state.vapour,
            jnp.maximum(state.cloud_water, 0) + jnp.maximum(state.cloud_ice, 0), self.iterations,
        )  # fmt: skip
        water = jnp.maximum(condensed, -jnp.maximum(state.cloud_water, 0))
        return {
            "temperature": latent_heat / HEAT_CAPACITY * condensed,
            "vapour": -condensed,
            "cloud_water": water,
            "cloud_ice": condensed - water,
        }

    def as_process(self, time_scale: float) -> AbstractProcess:
        return Relaxed(self, time_scale)


def condensation(
    pressure: Profile, temperature: Profile, vapour: Profile, cloud: Profile, iterations: int
) -> Profile:
    r"""What condenses until the air is saturated, or minus what evaporates of `cloud`, in kg kg-1.

    Solves $q - c = q_s(p, T + L c / c_p)$ for $c \ge -q_\mathrm{cloud}$ by Newton's method, with
    $L$ at the first temperature and
    $\mathrm{d} q_s / \mathrm{d} T \approx q_s\, \mathrm{d} \ln e_s / \mathrm{d} T$, which leaves
    out a factor $p / (p - e_s)$ near one.
    """
    heating = latent_heat_of_vaporisation(temperature) / HEAT_CAPACITY
    condensed = jnp.zeros_like(vapour)
    for _ in range(iterations):
        warmed = temperature + heating * condensed
        saturation = saturation_mixing_ratio(pressure, warmed)
        slope = (
            saturation
            * (SATURATION_OFFSET - SATURATION_SLOPE * SATURATION_POLE)
            / (warmed - SATURATION_POLE) ** 2
        )
        excess = vapour - condensed - saturation
        condensed = jnp.maximum(condensed + excess / (1 + heating * slope), -cloud)
    return condensed

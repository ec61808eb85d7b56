from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float

from ..convection import SCALARS, TENDENCIES, AbstractConvection
from ..thermodynamics import GRAVITY
from .downdraft import Downdraft, descend
from .environment import Environment, environment
from .feedback import feedback
from .precipitation_efficiency import precipitation_efficiency
from .scales import least_depth, scale_factor, subcloud_velocity, wind_speed
from .source_layer import LiftedParcel, SourceLayer, lift, source_layers
from .source_search import DEEP, NONE, SHALLOW, Choice, Sources, choose
from .stabilisation import Cloud, Strength, stabilise
from .subsidence import exchange
from .trigger import trigger_parcels
from .updraft import Ascent, UpdraftScales, ascend, base_mass_flux, with_ends

Scalar = Float[Array, ""] | float

_LONGEST_TIMESCALE = 86400.0


class MultiScaleKainFritsch(AbstractConvection):
    r"""The multi-scale Kain-Fritsch scheme: a mass-flux scheme aware of the grid spacing.

    An updraft that entrains and detrains by buoyancy sorting, a downdraft, and a closure by
    the removal of the available energy (Kain and Fritsch 1990, J. Atmos. Sci. 47, 2784;
    Kain 2004, J. Appl. Meteorol. 43, 170), where entrainment, fallout, adjustment time and the
    energy that remains depend on the grid spacing $\Delta x$ through
    $S = 1 + \ln(25\,\mathrm{km} / \Delta x)$ (Zheng et al. 2016, Mon. Weather Rev. 144, 833;
    Glotfelty et al. 2019, ibid. 147, 1491), with convective momentum transport (Zhang and
    McFarlane 1995, J. Geophys. Res. 100, 1417). It agrees with the scheme of WRF column by
    column, without aerosols and with all condensates.

    Deep convection rains to the ground; a shallow cloud hands its precipitation to the grid.
    Forward- and reverse-mode derivatives are those of the arithmetic that runs: the choice of the
    source layer, the levels where the cloud begins and ends, the number of time steps it lasts,
    and the number of passes and substeps of the closure count as constant; the mass flux that the
    passes arrive at does not. Where one of these numbers changes the scheme jumps, and a
    derivative says nothing about the jump.
    """

    entrainment: Scalar = 0.03
    """The constant of Tokioka et al. (1988), dimensionless."""
    fallout_rate: Scalar = 0.03
    """The rate of fallout from the updraft at 25 km, in s-1."""
    trigger_coefficient: Scalar = 4.64
    """The excess temperature in K at a vertical velocity of 1 m s-1: Kain 2004, eq. 1."""
    velocity_threshold: Scalar = 0.02
    """The vertical velocity in m s-1 that sets nothing off, from 2 km up: Kain 2004, eq. 2."""
    turbulent_energy: Scalar = 5.0
    """Under shallow clouds, in m2 s-2."""
    shallow_lifetime: Scalar = 300.0
    """In s."""

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        sources = self.sources(inputs)
        return self.convect(inputs, sources, choose(lax.stop_gradient(sources)))

    def sources(self, inputs: Mapping[str, Any]) -> Sources:
        """The source layers of a column, and which of them are set off."""
        env = environment(inputs)
        spacing = jnp.asarray(inputs["grid_spacing"], env.pressure.dtype)
        layers = source_layers(env)
        parcels = lift(env, layers)
        trigger = trigger_parcels(
            env, layers, parcels, spacing, self.trigger_coefficient, self.velocity_threshold
        )
        return Sources(env, layers, parcels, trigger, self._updraft_scales(spacing))

    def convect(
        self, inputs: Mapping[str, Any], sources: Sources, choice: Choice
    ) -> dict[str, Array]:
        """The tendencies by the cloud of a chosen source layer."""
        env, scales = sources.env, sources.scales
        spacing = jnp.asarray(inputs["grid_spacing"], env.pressure.dtype)
        source, parcel, velocity = jtu.tree_map(
            lambda of_all: of_all[choice.base],
            (sources.layers, sources.parcels, sources.trigger.velocity),
        )
        is_deep, is_shallow = choice.kind == DEEP, choice.kind == SHALLOW
        ascent, updraft = ascend(env, source, parcel, velocity, scales)
        reaches = jnp.maximum(source.top, parcel.level)
        ascent = ascent._replace(
            equilibrium=jnp.where(is_shallow, reaches, ascent.equilibrium),
            # Without convection the same arithmetic runs on a cloud that cannot divide by zero.
            top=jnp.maximum(ascent.top, parcel.level),
        )
        updraft = with_ends(env, source, parcel, ascent, updraft, scales.area)
        timescale, lifetime = self._timescales(inputs, env, source, parcel, ascent, spacing)
        efficiency = precipitation_efficiency(env, parcel, ascent)
        downdraft = descend(env, source, parcel, ascent, updraft, efficiency, scales.area, is_deep)
        exchanged = exchange(env, ascent, updraft, downdraft, scales.area)
        cloud = Cloud(env, source, parcel, ascent, updraft, exchanged)
        scale, is_valid = self._strength(cloud, downdraft, timescale, spacing, is_deep)
        scale = jnp.where(is_shallow, self._shallow_scale(cloud, scales, timescale), scale)
        kind = jnp.where(is_valid, choice.kind, NONE)
        lifetime = jnp.where(is_shallow, self.shallow_lifetime, lifetime)
        dtype = env.pressure.dtype
        result = {
            **feedback(cloud, downdraft, scale, timescale, kind, scales.area),
            "convective_lifetime": lifetime,
            "convection_class": kind.astype(dtype),
            "cloud_base_level": (parcel.level + 1).astype(dtype),
            "cloud_top_level": (ascent.top + 1).astype(dtype),
        }
        nothing = no_convection(env.pressure)
        return {name: jnp.where(kind != NONE, result[name], nothing[name]) for name in nothing}

    def _updraft_scales(self, spacing: Float[Array, ""]) -> UpdraftScales:
        factor = scale_factor(spacing)
        return UpdraftScales(
            area=spacing**2,
            entrainment=self.entrainment * factor,
            fallout_rate=self.fallout_rate / factor,
        )

    def _timescales(
        self,
        inputs: Mapping[str, Any],
        env: Environment,
        source: SourceLayer,
        parcel: LiftedParcel,
        ascent: Ascent,
        spacing: Float[Array, ""],
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The adjustment time, and how long the convection lasts, both in s."""
        step = jnp.asarray(inputs["time_step"], spacing.dtype)
        half_way = jnp.max(
            jnp.where(env.pressure >= 0.5 * env.pressure[0], jnp.arange(env.pressure.size), 0)
        )
        speed = wind_speed(env)
        advection = spacing / jnp.maximum(0.5 * (speed[parcel.level] + speed[half_way]), 1e-3)
        depth = env.height[ascent.top] - parcel.height
        depth = jnp.maximum(least_depth(parcel.temperature), depth) * scale_factor(spacing)
        stirring = subcloud_velocity(inputs, env, source, parcel)
        cape = jnp.where(ascent.cape <= 0, 1.0, ascent.cape)
        overturning = depth / (0.03 * stirring * cape) ** 0.3333
        # The number of steps counts as constant in derivatives.
        steps = _steps(jnp.maximum(advection, overturning), step)
        timescale = jnp.minimum(steps * step, _LONGEST_TIMESCALE)
        shorter = advection < timescale
        return timescale, jnp.where(shorter, _steps(advection, step), steps) * step

    def _strength(
        self,
        cloud: Cloud,
        downdraft: Downdraft,
        timescale: Float[Array, ""],
        spacing: Float[Array, ""],
        is_deep: Bool[Array, ""],
    ) -> Strength:
        levels = jnp.arange(cloud.env.pressure.size)
        highest = jnp.maximum(cloud.parcel.level, downdraft.start)
        inflow = cloud.updraft.entrainment - downdraft.entrainment
        limits = (levels >= cloud.source.base) & (levels <= highest) & (inflow > 1e-3)
        limit = cloud.exchange.mass / (jnp.where(limits, inflow, 1.0) * timescale)
        largest = jnp.minimum(jnp.min(jnp.where(limits, limit, 1000.0)), 1000.0)
        least_removal = 0.1 * jnp.sqrt(scale_factor(spacing))
        return stabilise(cloud, timescale, largest, least_removal, is_deep)

    def _shallow_scale(
        self, cloud: Cloud, scales: UpdraftScales, timescale: Float[Array, ""]
    ) -> Float[Array, ""]:
        """So that 5 % of the turbulent energy, as a share, of the source layer is lifted."""
        source = cloud.source
        lifted = 0.05 * self.turbulent_energy * source.pressure_depth * scales.area / GRAVITY
        flux = base_mass_flux(cloud.env, source, cloud.parcel, scales.area)
        return lifted / (flux * timescale)


def no_convection(pressure: Float[Array, "*column level"]) -> dict[str, Array]:
    """What the scheme returns where there is no convection."""
    zero = jnp.zeros_like(pressure)
    nothing = {quantity.name: zero for quantity in TENDENCIES}
    nothing |= {quantity.name: zero[..., 0] for quantity in SCALARS}
    base = zero[..., 0] + (pressure.shape[-1] + 1)
    return {**nothing, "cloud_base_level": base, "cloud_top_level": zero[..., 0] + 1}


def _steps(duration: Float[Array, ""], step: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.maximum(jnp.round(lax.stop_gradient(duration / step)), 1.0)

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ..convection import AbstractConvection
from ..thermodynamics import GRAVITY, HEAT_CAPACITY, exner_function
from .downdraft import Downdraft, descend
from .environment import Environment, environment
from .momentum_transport import Drafts, momentum_tendencies
from .plume_physics import safe_sqrt
from .source_layer import LiftedParcel, SourceLayer, at_parcel, lift, source_layers
from .stabilisation import Cloud, Strength, remix, settle, stabilise
from .subsidence import count_substeps, exchange, potential_temperature, transport
from .updraft import Ascent, UpdraftScales, ascend, base_mass_flux, with_ends

Scalar = Float[Array, ""] | float

_REFERENCE_SPACING = 25e3
_LONGEST_TIMESCALE = 86400.0
_NONE, _DEEP, _SHALLOW = 0, 1, 2


class Trigger(NamedTuple):
    """Of every level as the base of a source layer, whether its air is set off, and how fast."""

    is_triggered: Bool[Array, " level"]
    velocity: Float[Array, " level"]
    """Of the updraft at its base, in m s-1."""


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
    The search for the source layer and for the mass flux counts as constant in reverse-mode
    derivatives; forward-mode derivatives go through everything.
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
        env = environment(inputs)
        spacing = jnp.asarray(inputs["grid_spacing"], env.pressure.dtype)
        layers = source_layers(env)
        parcels = lift(env, layers)
        scales = self._updraft_scales(spacing)
        trigger = self.trigger(env, layers, parcels, spacing)
        chosen = _choose(*lax.stop_gradient((env, layers, parcels, trigger, scales)))
        pick = jtu.tree_map(lambda of_all: of_all[chosen.base], (layers, parcels))
        source, parcel = pick
        velocity = trigger.velocity[chosen.base]
        ascent, updraft = ascend(env, source, parcel, velocity, scales)
        is_shallow = chosen.kind == _SHALLOW
        is_deep = chosen.kind == _DEEP
        reaches = jnp.maximum(source.top, parcel.level)
        ascent = ascent._replace(equilibrium=jnp.where(is_shallow, reaches, ascent.equilibrium))
        # Without convection the same arithmetic runs on a cloud that cannot divide by zero.
        ascent = ascent._replace(top=jnp.maximum(ascent.top, parcel.level))
        updraft = with_ends(env, source, parcel, ascent, updraft, scales.area)
        timescale, lifetime = self._timescales(inputs, env, source, parcel, ascent, spacing)
        efficiency = _precipitation_efficiency(env, parcel, ascent)
        downdraft = descend(env, source, parcel, ascent, updraft, efficiency, scales.area, is_deep)
        exchanged = exchange(env, ascent, updraft, downdraft, scales.area)
        cloud = Cloud(env, source, parcel, ascent, updraft, exchanged)
        scale, is_valid = self._strength(cloud, downdraft, timescale, spacing, is_deep)
        shallow_scale = self._shallow_scale(cloud, scales, timescale)
        scale = jnp.where(is_shallow, shallow_scale, scale)
        kind = jnp.where(is_valid, chosen.kind, _NONE)
        tendencies = _feedback(cloud, downdraft, scale, timescale, kind, scales.area)
        is_active = kind != _NONE
        lifetime = jnp.where(is_shallow, self.shallow_lifetime, lifetime)
        levels = env.pressure.size
        dtype = env.pressure.dtype
        result = {
            **tendencies,
            "convective_lifetime": lifetime,
            "convection_class": kind.astype(dtype),
            "cloud_base_level": (parcel.level + 1).astype(dtype),
            "cloud_top_level": (ascent.top + 1).astype(dtype),
        }
        without = {"cloud_base_level": levels + 1.0, "cloud_top_level": 1.0}
        return {
            name: jnp.where(is_active, value, without.get(name, 0.0))
            for name, value in result.items()
        }

    def trigger(
        self,
        env: Environment,
        layers: SourceLayer,
        parcels: LiftedParcel,
        spacing: Float[Array, ""],
    ) -> Trigger:
        """Kain 2004, eqs. 1 to 3: large-scale ascent makes a parcel warmer than it is."""
        ascent = at_parcel(parcels, env.mean_vertical_velocity)
        ascent = jnp.where(spacing >= _REFERENCE_SPACING, ascent * spacing / 25e3, ascent)
        excess = ascent - self.velocity_threshold * jnp.minimum(parcels.height / 2e3, 1.0)
        rises = excess >= 1e-4
        warming = jnp.where(
            rises, self.trigger_coefficient * jnp.where(rises, excess, 1.0) ** 0.33, 0.0
        )
        is_triggered = parcels.temperature + warming >= parcels.environment_temperature
        is_triggered = is_triggered & layers.is_candidate & parcels.exists
        # A source layer whose air is saturated only above the column ends the search.
        is_triggered = is_triggered & ~_after_first(layers.is_candidate & ~parcels.exists)
        work = 1000 * GRAVITY * warming / parcels.environment_virtual_temperature
        velocity = jnp.where(warming > 1e-4, 1 + 0.5 * safe_sqrt(work), 1.0)
        return Trigger(is_triggered, jnp.minimum(velocity, 3.0))

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
        speed = _wind_speed(env)
        advection = spacing / jnp.maximum(0.5 * (speed[parcel.level] + speed[half_way]), 1e-3)
        depth = env.height[ascent.top] - parcel.height
        depth = jnp.maximum(least_depth(parcel.temperature), depth) * scale_factor(spacing)
        stirring = _subcloud_velocity(inputs, env, source, parcel)
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


class _Choice(NamedTuple):
    base: Int[Array, ""]
    kind: Int[Array, ""]


class _Candidates(NamedTuple):
    next: Int[Array, ""]
    choice: _Choice
    tallest: Float[Array, ""]


def scale_factor(spacing: Float[Array, ""]) -> Float[Array, ""]:
    r"""$1 + \ln(25\,\mathrm{km} / \Delta x)$ below 25 km, and 1 above."""
    return jnp.where(
        spacing >= 0.99996 * _REFERENCE_SPACING, 1.0, 1 + jnp.log(_REFERENCE_SPACING / spacing)
    )


def least_depth(temperature: Float[Array, ""]) -> Float[Array, ""]:
    """The depth in m above which a cloud of this base temperature is deep: Kain 2004, eq. 7."""
    return jnp.clip(2e3 + 100 * (temperature - 273.0), 2e3, 4e3)


def _choose(
    env: Environment,
    layers: SourceLayer,
    parcels: LiftedParcel,
    trigger: Trigger,
    scales: UpdraftScales,
) -> _Choice:
    """The lowest source layer of a deep cloud, or else the one of the tallest shallow cloud."""
    levels = jnp.arange(env.pressure.size)

    def following(start):
        waits = trigger.is_triggered & (levels >= start)
        return jnp.where(jnp.any(waits), jnp.argmax(waits), levels.size).astype(levels.dtype)

    def is_open(state: _Candidates):
        return (state.next < levels.size) & (state.choice.kind != _DEEP)

    def attempt(state: _Candidates) -> _Candidates:
        base = state.next
        source, parcel = jtu.tree_map(lambda of_all: of_all[base], (layers, parcels))
        ascent, _ = ascend(env, source, parcel, trigger.velocity[base], scales)
        forms = (ascent.top > parcel.level) & (ascent.top > source.top)
        forms = forms & (ascent.equilibrium + 1 > source.top)
        forms = forms & ~_is_saturated(env, parcel, ascent)
        depth = env.height[ascent.top] - parcel.height
        is_deep = forms & (depth > least_depth(parcel.temperature)) & (ascent.cape > 1)
        is_taller = forms & ~is_deep & (depth > state.tallest)
        kind = jnp.where(is_deep, _DEEP, jnp.where(is_taller, _SHALLOW, state.choice.kind))
        chosen = jnp.where(is_deep | is_taller, base, state.choice.base)
        tallest = jnp.where(is_taller, depth, state.tallest)
        return _Candidates(following(base + 1), _Choice(chosen, kind), tallest)

    none = jnp.zeros((), levels.dtype)
    start = _Candidates(following(none), _Choice(none, none), jnp.zeros_like(scales.area))
    return lax.while_loop(is_open, attempt, start).choice


def _is_saturated(env: Environment, parcel: LiftedParcel, ascent: Ascent) -> Bool[Array, ""]:
    """Whether the grid scale condenses already around the whole cloud."""
    celsius = env.temperature - 273.16
    over_ice = 611.2 * jnp.exp(21.87 * celsius / (env.temperature - 7.66))
    over_water = 611.2 * jnp.exp(17.67 * celsius / (243.5 + celsius))
    pressure = jnp.where(celsius <= 0, over_ice, over_water)
    humidity = env.mixing_ratio / (0.622 * pressure / (env.pressure - pressure))
    levels = jnp.arange(env.pressure.size)
    base = parcel.level - 1
    counts = (levels >= base - 1) & (levels <= ascent.top + 1)
    unsaturated = counts & (levels > base) & (humidity < 0.99)
    number = (ascent.top - base + 3).astype(humidity.dtype)
    mean = jnp.sum(jnp.where(counts, humidity, 0.0)) / number
    return ~jnp.any(unsaturated) & (mean >= 1.01)


def _subcloud_velocity(
    inputs: Mapping[str, Any], env: Environment, source: SourceLayer, parcel: LiftedParcel
) -> Float[Array, ""]:
    """The velocity scale below the cloud in m s-1: Zheng et al. 2016."""
    dtype = env.pressure.dtype
    friction, heat_flux, stability = (
        jnp.asarray(inputs[name], dtype)
        for name in ("friction_velocity", "sensible_heat_flux", "stability_parameter")
    )
    density = inputs["air_density"][0]
    theta = env.temperature[0] / exner_function(env.pressure[0])
    buoyancy_flux = GRAVITY / theta * heat_flux / (density * HEAT_CAPACITY)
    cloud_base = jnp.maximum(parcel.height, env.height[source.top])
    cubed = jnp.maximum(buoyancy_flux, 0.0) * cloud_base
    is_heated = cubed > 0
    convective = jnp.where(is_heated, jnp.where(is_heated, cubed, 1.0) ** 0.333, 0.0)
    is_unstable = stability <= 0
    unstable = jnp.where(is_unstable, -stability, 1.0) ** (2 / 3)
    squared = 3.8 * friction**2 + jnp.where(
        is_unstable, 0.22 * convective**2 + 1.9 * friction**2 * unstable, 0.0
    )
    return jnp.maximum(jnp.sqrt(squared), 0.1)


def _precipitation_efficiency(
    env: Environment, parcel: LiftedParcel, ascent: Ascent
) -> Float[Array, ""]:
    """By wind shear and by the height of the cloud base: Zhang and Fritsch 1986."""
    speed = _wind_speed(env)
    top, base = ascent.top, parcel.level
    sign = jnp.where(speed[top] > speed[base], 1.0, -1.0)
    wind = jnp.stack([env.eastward_wind, env.northward_wind])
    difference = safe_sqrt(jnp.sum((wind[:, top] - wind[:, base]) ** 2))
    distance = jnp.where(top > base, env.height[top] - env.height[base], 1.0)
    shear = 1e3 * sign * difference / distance
    by_shear = 1.591 + shear * (-0.639 + shear * (9.53e-2 - shear * 4.96e-3))
    by_shear = jnp.clip(by_shear, 0.2, 0.9)
    feet = (parcel.height - env.height[0]) * 3.281e-3
    polynomial = 0.96729352 + feet * (
        -0.70034167
        + feet * (0.162179896 + feet * (-1.2569798e-2 + feet * (4.2772e-4 - feet * 5.44e-6)))
    )
    ratio = jnp.where(feet < 3, 0.02, jnp.where(feet > 25, 2.4, polynomial))
    by_height = jnp.minimum(1 / (1 + ratio), 0.9)
    return 0.5 * (by_shear + by_height)


def _feedback(
    cloud: Cloud,
    downdraft: Downdraft,
    scale: Float[Array, ""],
    timescale: Float[Array, ""],
    kind: Int[Array, ""],
    area: Float[Array, ""],
) -> dict[str, Array]:
    """What the drafts of a given strength do to the column."""
    env, updraft, exchanged = cloud.env, cloud.updraft, cloud.exchange
    is_shallow = kind == _SHALLOW
    detrained = updraft.detrainment * updraft.dilution
    precipitation = jnp.stack([updraft.liquid_fallout, updraft.ice_fallout])
    sources = jnp.concatenate(
        [
            exchanged.sources,
            jnp.stack([detrained * updraft.liquid, detrained * updraft.ice]),
            jnp.where(is_shallow, precipitation, 0.0),
        ]
    )
    nothing = jnp.zeros_like(env.pressure)
    fields = jnp.stack([potential_temperature(env), env.mixing_ratio, *(nothing,) * 4])
    substeps = count_substeps(exchanged, scale, timescale)
    after = transport(fields, sources, exchanged, scale, timescale, substeps)
    temperature, mixing_ratio = settle(cloud, after[0], after[1])
    condensates = jnp.where(exchanged.in_cloud[None], after[2:], 0.0) / timescale
    warming = (temperature - env.temperature) / timescale
    rain = jnp.sum(precipitation) - downdraft.evaporation
    _, settled = remix(cloud, temperature, mixing_ratio)
    settled = jtu.tree_map(lambda a, b: jnp.where(is_shallow, a, b), cloud.parcel, settled)
    wind = _wind_tendencies(cloud, downdraft, scale, settled, area)
    return {
        "potential_temperature_tendency": warming / exner_function(env.pressure),
        "vapour_tendency": (mixing_ratio - env.mixing_ratio) / timescale,
        "cloud_water_tendency": condensates[0],
        "cloud_ice_tendency": condensates[1],
        "rain_water_tendency": condensates[2],
        "snow_tendency": condensates[3],
        "eastward_wind_tendency": wind[0],
        "northward_wind_tendency": wind[1],
        "precipitation_rate": jnp.where(is_shallow, 0.0, scale * rain / area),
    }


def _wind_tendencies(
    cloud: Cloud,
    downdraft: Downdraft,
    scale: Float[Array, ""],
    parcel: LiftedParcel,
    area: Float[Array, ""],
) -> Float[Array, "2 level"]:
    env, updraft = cloud.env, cloud.updraft
    levels = jnp.arange(env.pressure.size)
    last = levels.size - 1
    in_cloud = (levels >= parcel.level) & (levels <= cloud.ascent.top)
    to_hectopascal = scale * GRAVITY / area / 100
    base, top = last - parcel.level, last - cloud.ascent.top
    top = jnp.minimum(top, base)
    start = last - downdraft.start
    start = jnp.where((start < top) | (start > base), base - 1, start)

    def draft(values, around):
        return jnp.where(in_cloud & (values != 0), values, around)

    inflow = updraft.entrainment + downdraft.entrainment
    drafts = Drafts(
        base=base,
        top=top,
        downdraft_start=jnp.maximum(start, 0),
        pressure=env.pressure / 100,
        pressure_thickness=env.pressure_thickness / 100,
        temperature=env.temperature,
        mixing_ratio=env.mixing_ratio,
        height=env.height,
        upper_height=jnp.cumsum(env.thickness),
        thickness=env.thickness,
        updraft_temperature=draft(updraft.temperature, env.temperature),
        updraft_mixing_ratio=jnp.where(in_cloud, updraft.mixing_ratio, env.mixing_ratio),
        downdraft_temperature=draft(downdraft.temperature, env.temperature),
        downdraft_mixing_ratio=jnp.where(in_cloud, downdraft.mixing_ratio, env.mixing_ratio),
        updraft_flux=updraft.mass_flux * to_hectopascal,
        downdraft_flux=downdraft.mass_flux * to_hectopascal,
        entrainment=inflow * to_hectopascal / env.thickness,
        wind=jnp.stack([env.eastward_wind, env.northward_wind]),
    )
    upside_down = jtu.tree_map(lambda x: x[..., ::-1] if x.ndim else x, drafts)
    return momentum_tendencies(upside_down)[:, ::-1]


def _wind_speed(env: Environment) -> Float[Array, " level"]:
    return safe_sqrt(env.eastward_wind**2 + env.northward_wind**2)


def _steps(duration: Float[Array, ""], step: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.maximum(jnp.round(lax.stop_gradient(duration / step)), 1.0)


def _after_first(flags: Bool[Array, " level"]) -> Bool[Array, " level"]:
    return jnp.cumsum(flags.astype(jnp.int32)) > 0

"""The entraining and detraining updraft: Kain and Fritsch 1990, Kain 2004, Zheng et al. 2016.

Mass fluxes are in kg s-1 over the whole grid cell; the rates of a layer are what enters and what
leaves the updraft there, in kg s-1 too.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ..thermodynamics import (
    GAS_CONSTANT,
    GRAVITY,
    HEAT_CAPACITY,
    virtual_temperature,
)
from .environment import Environment, lifted_theta_e
from .plume_physics import (
    FREEZING_ENDS,
    FREEZING_STARTS,
    MoistAir,
    condense,
    fall_out,
    freeze,
    mixing_shares,
)
from .saturation_table import PressureNodes
from .source_layer import LiftedParcel, SourceLayer, at_parcel

Scalar = Float[Array, ""]

_SLOWEST_SQUARED_VELOCITY = 1e-3
_LEAST_MASS_FLUX = 10.0
AREA_FRACTION = 0.01
_VIRTUAL_MASS = 1.5


class UpdraftScales(NamedTuple):
    """What the updraft depends on besides the air."""

    area: Scalar
    """Of the grid cell in m2."""
    entrainment: Scalar
    """The constant of Tokioka et al. 1988 times the scale factor, dimensionless."""
    fallout_rate: Scalar
    """Of condensate, in s-1."""


class Ascent(NamedTuple):
    """How far an updraft gets."""

    top: Int[Array, ""]
    equilibrium: Int[Array, ""]
    """The highest level at which the updraft is buoyant."""
    cape: Scalar
    """Of the entraining updraft, in J kg-1."""


class Updraft(NamedTuple):
    """An updraft `(level,)`; zero where there is none."""

    temperature: Float[Array, " level"]
    mixing_ratio: Float[Array, " level"]
    detrained_mixing_ratio: Float[Array, " level"]
    """Of the vapour in the air that leaves, before the entrained air is mixed in."""
    liquid: Float[Array, " level"]
    ice: Float[Array, " level"]
    mass_flux: Float[Array, " level"]
    entrainment: Float[Array, " level"]
    detrainment: Float[Array, " level"]
    dilution: Float[Array, " level"]
    """The mass flux after entrainment over that before it; 1 where there is no cloud."""
    liquid_fallout: Float[Array, " level"]
    """In kg per kg of updraft air until `with_ends`, then in kg s-1; likewise the ice."""
    ice_fallout: Float[Array, " level"]


class _Parcel(NamedTuple):
    theta_e: Scalar
    mixing_ratio: Scalar
    liquid: Scalar
    ice: Scalar
    virtual_temperature: Scalar
    loaded_virtual_temperature: Scalar
    freezing_from: Scalar
    squared_velocity: Scalar
    mass_flux: Scalar
    kept_mass_flux: Scalar
    inflow: Scalar
    entraining: Scalar
    detraining: Scalar
    cape: Scalar
    top: Int[Array, ""]
    equilibrium: Int[Array, ""]
    rises: Bool[Array, ""]


class _Layer(NamedTuple):
    level: Int[Array, ""]
    pressure: Scalar
    pressure_thickness: Scalar
    mixing_ratio: Scalar
    theta_e: Scalar
    virtual_temperature: Scalar
    virtual_temperature_below: Scalar
    distance: Scalar
    height: Scalar
    nodes: PressureNodes


def ascend(
    env: Environment,
    source: SourceLayer,
    parcel: LiftedParcel,
    velocity: Scalar,
    scales: UpdraftScales,
) -> tuple[Ascent, Updraft]:
    """Lifts the air of a source layer from its condensation level to the top of its cloud.

    The updraft is returned as the ascent leaves it; `with_ends` completes it.
    """
    mass_flux = base_mass_flux(env, source, parcel, scales.area)
    radius = jnp.clip(jnp.maximum(env.height[source.top], parcel.height), 500.0, 4000.0)
    base = parcel.level - 1
    zero = jnp.zeros_like(mass_flux)
    at_base = virtual_temperature(parcel.temperature, source.mixing_ratio)
    start = _Parcel(
        theta_e=source_theta_e(source),
        mixing_ratio=source.mixing_ratio,
        liquid=zero,
        ice=zero,
        virtual_temperature=at_base,
        loaded_virtual_temperature=at_base,
        freezing_from=zero + FREEZING_STARTS,
        squared_velocity=velocity**2,
        mass_flux=mass_flux,
        kept_mass_flux=mass_flux,
        inflow=zero,
        entraining=zero + 1,
        detraining=zero,
        cape=zero,
        top=base,
        equilibrium=parcel.level,
        rises=jnp.ones((), bool),
    )
    nothing = Updraft(*(zero,) * 8, zero + 1, zero, zero)
    layers = _layers(env)

    def climb(state: _Parcel, layer: _Layer):
        layer = _from_condensation_level(layer, parcel)
        moved, crossed, arrives = _cross(state, layer, mass_flux * scales.entrainment / radius,
                                         scales.fallout_rate)  # fmt: skip
        in_source = layer.level <= source.top
        from_source = mass_flux * layer.pressure_thickness / source.pressure_depth
        crossed = crossed._replace(
            entrainment=crossed.entrainment + jnp.where(in_source, from_source, 0.0)
        )
        climbs = (layer.level > base) & state.rises
        return _where(climbs, moved, state), _where(climbs & arrives, crossed, nothing)

    final, crossed = lax.scan(climb, start, layers)
    updraft = jtu.tree_map(
        lambda first, rest: jnp.concatenate([first[None], rest]), nothing, crossed
    )
    return Ascent(final.top, final.equilibrium, final.cape), updraft


def with_ends(
    env: Environment,
    source: SourceLayer,
    parcel: LiftedParcel,
    ascent: Ascent,
    updraft: Updraft,
    area: Scalar,
) -> Updraft:
    """The updraft with its air gathered below the cloud and let go at its top.

    Above the equilibrium level the mass flux falls linearly in pressure to zero.
    """
    levels = jnp.arange(env.pressure.size)
    top, equilibrium, base = ascent.top, ascent.equilibrium, parcel.level - 1
    thickness = env.pressure_thickness
    starting = base_mass_flux(env, source, parcel, area)

    spreads = equilibrium < top
    in_anvil = (levels > equilibrium) & (levels <= top)
    depth = jnp.sum(jnp.where(in_anvil, thickness, 0.0))
    depth = jnp.where(spreads, depth, 1.0)
    passed = jnp.cumsum(jnp.where(in_anvil, thickness, 0.0)) / depth
    falling = updraft.mass_flux[equilibrium] * (1 - passed)
    is_top = levels == top
    mass_flux = jnp.where(in_anvil & ~is_top, falling, updraft.mass_flux)
    below = jnp.where(levels - 1 == base, starting, jnp.roll(mass_flux, 1))
    entrained = mass_flux * (1 - 1 / updraft.dilution)
    entrainment = jnp.where(in_anvil, jnp.where(is_top, 0.0, entrained), updraft.entrainment)
    detrained = jnp.where(is_top, below, below - mass_flux + entrained)
    detrainment = jnp.where(in_anvil, detrained, updraft.detrainment)
    # All leaves at once where the updraft is buoyant up to its top.
    leaves = is_top & ~spreads
    everything = mass_flux + detrainment - entrainment
    detrainment = jnp.where(leaves, everything, detrainment)
    entrainment = jnp.where(leaves, 0.0, entrainment)
    mass_flux = jnp.where(leaves, 0.0, mass_flux)

    in_cloud = (levels > base) & (levels <= top)
    rises_below = (levels >= source.base) & (levels <= base)
    gathers = rises_below & (levels <= source.top)
    gathered = jnp.where(gathers, starting * thickness / source.pressure_depth, 0.0)
    # Complete above the source layer, up to rounding of the sum.
    sum_below = jnp.where(levels <= source.top, jnp.cumsum(gathered), starting)
    adiabatic = source.temperature - (env.height - source.height) * (GRAVITY / HEAT_CAPACITY)

    def fill(cloud, below_cloud):
        return jnp.where(in_cloud, cloud, jnp.where(rises_below, below_cloud, 0.0))

    fallout = jnp.where(in_cloud, below, 0.0)
    return Updraft(
        temperature=fill(updraft.temperature, adiabatic),
        mixing_ratio=fill(updraft.mixing_ratio, source.mixing_ratio),
        detrained_mixing_ratio=fill(updraft.detrained_mixing_ratio, 0.0),
        liquid=fill(updraft.liquid, 0.0),
        ice=fill(updraft.ice, 0.0),
        mass_flux=fill(mass_flux, sum_below),
        entrainment=fill(entrainment, gathered),
        detrainment=fill(detrainment, 0.0),
        dilution=updraft.dilution,
        liquid_fallout=fallout * updraft.liquid_fallout,
        ice_fallout=fallout * updraft.ice_fallout,
    )


def base_mass_flux(
    env: Environment, source: SourceLayer, parcel: LiftedParcel, area: Scalar
) -> Scalar:
    """The mass flux in kg s-1 of an updraft that covers 1 % of the area with 1 m s-1."""
    temperature = virtual_temperature(parcel.temperature, source.mixing_ratio)
    density = at_parcel(parcel, env.pressure) / (GAS_CONSTANT * temperature)
    return density * AREA_FRACTION * area


def source_theta_e(source: SourceLayer) -> Float[Array, "*base"]:
    """The equivalent potential temperature of the mixed source layer in K."""
    return lifted_theta_e(source.pressure, source.temperature, source.mixing_ratio)


def _prepend(first: Scalar, rest: Float[Array, " above"]) -> Float[Array, " level"]:
    return jnp.concatenate([first[None], rest])


def _layers(env: Environment) -> _Layer:
    return _Layer(
        level=jnp.arange(1, env.pressure.size),
        pressure=env.pressure[1:],
        pressure_thickness=env.pressure_thickness[1:],
        mixing_ratio=env.mixing_ratio[1:],
        theta_e=env.theta_e[1:],
        virtual_temperature=env.virtual_temperature[1:],
        virtual_temperature_below=env.virtual_temperature[:-1],
        distance=jnp.diff(env.height),
        height=env.height[1:],
        nodes=PressureNodes(*(node[1:] for node in env.nodes)),
    )


def _from_condensation_level(layer: _Layer, parcel: LiftedParcel) -> _Layer:
    """The first layer, of which only the part above the condensation level counts."""
    first = layer.level == parcel.level
    below = jnp.where(
        first, parcel.environment_virtual_temperature, layer.virtual_temperature_below
    )
    distance = jnp.where(first, layer.height - parcel.height, layer.distance)
    return layer._replace(virtual_temperature_below=below, distance=distance)


def _cross(
    state: _Parcel, layer: _Layer, inflow_per_pascal: Scalar, fallout_rate: Scalar
) -> tuple[_Parcel, Updraft, Bool[Array, ""]]:
    """The updraft above one layer, what happened in it, and whether it arrived there."""
    air, new_liquid = condense(
        layer.nodes, state.theta_e, state.mixing_ratio, state.liquid, state.ice
    )
    frozen, theta_frozen, new, freezing_from = _glaciate(state, layer, air, new_liquid)
    freezes = air.temperature <= FREEZING_STARTS
    air = _where(freezes, frozen, air)
    theta_e = jnp.where(freezes, theta_frozen, state.theta_e)
    warm = virtual_temperature(air.temperature, air.mixing_ratio)

    around = layer.virtual_temperature_below + layer.virtual_temperature
    buoyancy = (state.virtual_temperature + warm) / around - 1
    fallout = fall_out(
        air.liquid,
        air.ice,
        *new,
        squared_velocity=state.squared_velocity,
        distance=layer.distance,
        buoyancy_work=2 * layer.distance * GRAVITY * buoyancy / _VIRTUAL_MASS,
        entrainment_drag=2 * state.inflow * state.squared_velocity / state.kept_mass_flux,
        rate=fallout_rate,
    )
    slow = fallout.squared_velocity < _SLOWEST_SQUARED_VELOCITY
    air = MoistAir(air.temperature, air.mixing_ratio, fallout.liquid, fallout.ice)

    inflow = inflow_per_pascal * layer.pressure_thickness
    loaded = _loaded_virtual_temperature(air)
    work = ((state.loaded_virtual_temperature + loaded) / around - 1) * layer.distance * GRAVITY
    buoyant = loaded > layer.virtual_temperature
    entraining, detraining = _shares(layer, air, theta_e, loaded)
    entraining = jnp.where(buoyant, entraining, 0.5)
    detraining = 1.5 * jnp.where(buoyant, detraining, 1.0)
    entraining = jnp.maximum(entraining, 0.5)
    entrained = 0.5 * inflow * (state.entraining + entraining)
    detrained = 0.5 * inflow * (state.detraining + detraining)

    kept = state.mass_flux - detrained
    exhausted = kept < _LEAST_MASS_FLUX
    arrives = ~(slow | exhausted)
    kept = jnp.where(arrives, kept, 1.0)
    mass_flux = kept + entrained
    mixed = MoistAir(
        air.temperature,
        (kept * air.mixing_ratio + entrained * layer.mixing_ratio) / mass_flux,
        air.liquid * kept / mass_flux,
        air.ice * kept / mass_flux,
    )
    crossed = Updraft(
        temperature=air.temperature,
        mixing_ratio=mixed.mixing_ratio,
        detrained_mixing_ratio=air.mixing_ratio,
        liquid=mixed.liquid,
        ice=mixed.ice,
        mass_flux=mass_flux,
        entrainment=entrained,
        detrainment=detrained,
        dilution=mass_flux / kept,
        liquid_fallout=fallout.liquid_out,
        ice_fallout=fallout.ice_out,
    )
    arrived = _Parcel(
        theta_e=(theta_e * kept + layer.theta_e * entrained) / mass_flux,
        mixing_ratio=mixed.mixing_ratio,
        liquid=mixed.liquid,
        ice=mixed.ice,
        virtual_temperature=warm,
        loaded_virtual_temperature=loaded,
        freezing_from=freezing_from,
        squared_velocity=fallout.squared_velocity,
        mass_flux=mass_flux,
        kept_mass_flux=kept,
        inflow=inflow,
        entraining=entraining,
        detraining=detraining,
        cape=state.cape + jnp.maximum(work, 0.0),
        top=layer.level,
        equilibrium=jnp.where(buoyant, layer.level, state.equilibrium),
        rises=jnp.ones((), bool),
    )
    ended = state._replace(
        equilibrium=jnp.where(slow, state.equilibrium, layer.level - 1),
        rises=jnp.zeros((), bool),
    )
    return _where(arrives, arrived, ended), crossed, arrives


def _glaciate(
    state: _Parcel, layer: _Layer, air: MoistAir, new_liquid: Scalar
) -> tuple[MoistAir, Scalar, tuple[Scalar, Scalar], Scalar]:
    """The air with its liquid frozen in part, its theta-e, and the new liquid and ice."""
    begins = jnp.minimum(state.freezing_from, FREEZING_STARTS)
    partly = (air.temperature <= FREEZING_STARTS) & (air.temperature > FREEZING_ENDS)
    span = jnp.where(partly, begins - FREEZING_ENDS, 1.0)
    fraction = jnp.where(partly, (begins - air.temperature) / span, 1.0)
    fraction = jnp.where(air.temperature <= FREEZING_STARTS, fraction, 0.0)
    freezing_from = jnp.where(
        air.temperature <= FREEZING_STARTS, air.temperature, state.freezing_from
    )
    part = MoistAir(
        air.temperature,
        air.mixing_ratio,
        air.liquid * (1 - fraction),
        air.ice + air.liquid * fraction,
    )
    frozen, theta_e = freeze(layer.pressure, part, (air.liquid + new_liquid) * fraction)
    new = (new_liquid * (1 - fraction), new_liquid * fraction)
    return frozen, theta_e, new, freezing_from


def _shares(layer: _Layer, air: MoistAir, theta_e: Scalar, loaded: Scalar) -> tuple[Scalar, Scalar]:
    """The entraining and the detraining share where the updraft is buoyant: buoyancy sorting."""

    def mixture(fraction: float) -> Scalar:
        rest = 1 - fraction
        mixed, _ = condense(
            layer.nodes,
            fraction * layer.theta_e + rest * theta_e,
            fraction * layer.mixing_ratio + rest * air.mixing_ratio,
            rest * air.liquid,
            rest * air.ice,
        )
        return _loaded_virtual_temperature(mixed)

    diluted = mixture(0.1)
    changes = jnp.abs(diluted - loaded) >= 1e-3
    slope = jnp.where(changes, diluted - loaded, 1.0)
    critical = jnp.clip((layer.virtual_temperature - loaded) * 0.1 / slope, 0.0, 1.0)
    all_buoyant = (mixture(0.95) > layer.virtual_temperature) | ~changes | (critical == 1)
    entraining, detraining = mixing_shares(critical)
    none_buoyant = critical == 0
    entraining = jnp.where(all_buoyant, 1.0, jnp.where(none_buoyant, 0.0, entraining))
    detraining = jnp.where(all_buoyant, 0.0, jnp.where(none_buoyant, 1.0, detraining))
    return entraining, detraining


def _loaded_virtual_temperature(air: MoistAir) -> Scalar:
    return air.temperature * (1 + 0.608 * air.mixing_ratio - air.liquid - air.ice)


def _where(condition: Bool[Array, ""], if_true: Any, if_false: Any) -> Any:
    return jtu.tree_map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)

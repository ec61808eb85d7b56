"""What a cloud does to its column."""

import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float, Int

from ..thermodynamics import GRAVITY, exner_function
from .downdraft import Downdraft
from .momentum_transport import Drafts, momentum_tendencies
from .source_layer import LiftedParcel
from .source_search import SHALLOW
from .stabilisation import Cloud, remix, settle
from .subsidence import count_substeps, potential_temperature, transport


def feedback(
    cloud: Cloud,
    downdraft: Downdraft,
    scale: Float[Array, ""],
    timescale: Float[Array, ""],
    kind: Int[Array, ""],
    area: Float[Array, ""],
) -> dict[str, Array]:
    """What the drafts of a given strength do to the column."""
    env, updraft, exchanged = cloud.env, cloud.updraft, cloud.exchange
    is_shallow = kind == SHALLOW
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

"""Columns without end: soundings blended and perturbed, labelled by a convection scheme."""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key

from closurax.physics.column.convection import AbstractConvection
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch, convect_columns
from closurax.physics.column.thermodynamics import (
    GRAVITY,
    HEAT_CAPACITY,
    air_density,
    exner_function,
    saturation_mixing_ratio,
)

_KARMAN = 0.4


class Soundings(NamedTuple):
    """Soundings on terrain-following levels, the lowest first."""

    eta: Float[Array, " interface"]
    """The coordinate at the interfaces, 1 at the ground: p = top + eta (ps - top)."""
    top_pressure: Float[Array, ""]
    surface_pressure: Float[Array, " sounding"]
    air_temperature: Float[Array, "sounding level"]
    relative_humidity: Float[Array, "sounding level"]
    eastward_wind: Float[Array, "sounding level"]
    northward_wind: Float[Array, "sounding level"]

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Soundings":
        """The arrays of a Dataset, as `parent_soundings` returns it, in jax's precision."""
        names = ("eta", "top_pressure", *cls._fields[2:])
        return cls(*(jnp.asarray(dataset[name].values, jnp.result_type(float)) for name in names))


class ColumnRecipe(eqx.Module):
    """How columns are drawn around soundings.

    Two soundings are blended in `blended` of the columns, the winds come from a third one. To
    temperature and relative humidity smooth random profiles are added, stronger in the lowest
    kilometres, and a vertical velocity made of sine modes is drawn. Land and sea have surface
    fluxes of their own; the stability parameter follows from them.
    """

    blended: float = 0.5
    temperature_spread: tuple[float, float] = (1.6, 0.45)
    """In K, in the lowest kilometres and aloft."""
    humidity_spread: tuple[float, float] = (0.13, 0.08)
    """Of the relative humidity, likewise."""
    spacing: tuple[float, float] = (1.8e3, 3e4)
    """The range of the grid spacing in m, uniform in its logarithm."""
    left_out: tuple[float, float] = (0.0, 0.0)
    """A range of grid spacings in m that is not drawn."""
    steps_per_kilometre: tuple[float, float] = (2.9, 6.1)
    """The range of the time step in s per km of grid spacing."""
    vertical_velocity: float = 0.1
    """The median of the largest vertical velocity in m s-1 at 5 km."""

    def draw(self, soundings: Soundings, key: Key[Array, ""]) -> dict[str, Array]:
        """One column, as the inputs of a convection scheme; `vmap` over keys for many."""
        keys = iter(jax.random.split(key, 24))
        n = soundings.surface_pressure.size
        first, second, third = jax.random.randint(next(keys), (3,), 0, n)
        share = jnp.where(
            jax.random.uniform(next(keys)) < self.blended, jax.random.uniform(next(keys)), 0.0
        )

        def blend(values):
            return (1 - share) * values[first] + share * values[second]

        surface_pressure = blend(soundings.surface_pressure)
        interfaces = soundings.top_pressure + soundings.eta * (
            surface_pressure - soundings.top_pressure
        )
        pressure = 0.5 * (interfaces[1:] + interfaces[:-1])
        depth = (surface_pressure - pressure) / 1e5
        low = jax.nn.sigmoid((0.25 - depth) / 0.05)
        damping = jnp.minimum(1.0, (1 - depth / depth[-1]) * 10)

        def perturbation(spread):
            size = spread[1] + (spread[0] - spread[1]) * low
            rough = _smooth(next(keys), depth, 0.04)
            smooth = _smooth(next(keys), depth, 0.15)
            strength = jax.random.uniform(next(keys)) * 1.7
            return strength * damping * size * (0.5 * rough + 0.85 * smooth)

        temperature = blend(soundings.air_temperature) + perturbation(self.temperature_spread)
        humidity = blend(soundings.relative_humidity) + perturbation(self.humidity_spread)
        humidity = jnp.clip(humidity, 0.003, 1.3)
        mixing_ratio = humidity * saturation_mixing_ratio(pressure, temperature)
        mixing_ratio = jnp.maximum(mixing_ratio, 1e-7)
        density = air_density(pressure, temperature, mixing_ratio)
        thickness = (interfaces[:-1] - interfaces[1:]) / (density * GRAVITY)
        height = jnp.cumsum(thickness) - 0.5 * thickness

        gain = jax.random.uniform(next(keys), minval=0.5, maxval=1.5)
        wind_noise = jax.random.normal(next(keys), (2,)) * 1.5
        east = soundings.eastward_wind[third] * gain + wind_noise[0]
        north = soundings.northward_wind[third] * gain + wind_noise[1]
        east = east + 1.5 * _smooth(next(keys), depth, 0.1)
        north = north + 1.5 * _smooth(next(keys), depth, 0.1)

        spacing = self._spacing(next(keys))
        step = (
            spacing
            / 1e3
            * jax.random.uniform(
                next(keys), minval=self.steps_per_kilometre[0], maxval=self.steps_per_kilometre[1]
            )
        )
        size = jnp.exp(1.5 * jax.random.normal(next(keys))) * (spacing / 5e3) ** -0.4
        velocity = self.vertical_velocity * size * _modes(next(keys), height)
        friction = jnp.exp(np.log(0.33) + 0.45 * jax.random.normal(next(keys)))
        over_land = jax.random.bernoulli(next(keys), 0.47)
        heat_flux = jnp.where(
            over_land,
            jax.random.uniform(next(keys), minval=-40.0, maxval=450.0),
            14.0 + 9.0 * jax.random.normal(next(keys)),
        )
        theta = temperature[0] / exner_function(pressure[0])
        buoyancy = _KARMAN * height[0] * GRAVITY * heat_flux
        stability = -buoyancy / (density[0] * HEAT_CAPACITY * theta * friction**3)
        boundary_layer = jnp.exp(np.log(800.0) + 0.8 * jax.random.normal(next(keys)))
        return {
            "air_pressure": pressure,
            "air_temperature": temperature,
            "vapour_mixing_ratio": mixing_ratio,
            "eastward_wind": east,
            "northward_wind": north,
            "air_density": density,
            "layer_thickness": thickness,
            "mean_vertical_velocity": velocity,
            "grid_spacing": spacing,
            "time_step": jnp.maximum(jnp.round(step), 1.0),
            "friction_velocity": jnp.clip(friction, 0.05, 1.2),
            "sensible_heat_flux": heat_flux,
            "boundary_layer_height": jnp.clip(boundary_layer, 80.0, 4500.0),
            "stability_parameter": jnp.clip(stability, -10.0, 3.0),
        }

    def _spacing(self, key: Key[Array, ""]) -> Float[Array, ""]:
        low, high = np.log(self.spacing[0]), np.log(self.spacing[1])
        gap = [np.log(max(bound, self.spacing[0])) for bound in self.left_out]
        width = max(gap[1] - gap[0], 0.0)
        drawn = jax.random.uniform(key, minval=low, maxval=high - width)
        return jnp.exp(jnp.where(drawn > gap[0], drawn + width, drawn))


def draw_columns(
    soundings: xr.Dataset, recipe: ColumnRecipe, count: int, seed: int, batch_size: int = 8192
) -> dict[str, Float[np.ndarray, "column ..."]]:
    """Columns drawn around soundings, as the inputs of a convection scheme.

    **Arguments:**

    - `soundings`: as `parent_soundings` returns it.
    - `count`: how many; `seed`: of all that is random.
    """
    arrays, key = Soundings.of(soundings), jax.random.key(seed)
    parts = []
    for start in range(0, count, batch_size):
        keys = jax.random.split(jax.random.fold_in(key, start), min(batch_size, count - start))
        drawn = _drawn(recipe, arrays, keys)
        parts.append({name: np.asarray(values) for name, values in drawn.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@eqx.filter_jit
def _drawn(recipe, soundings, keys):
    return jax.vmap(lambda key: recipe.draw(soundings, key))(keys)


def label_columns(
    scheme: AbstractConvection,
    inputs: Mapping[str, Float[Array | np.ndarray, "column ..."]],
    *,
    batch_size: int = 2048,
) -> dict[str, Float[Array, "column ..."]]:
    """What a convection scheme does in every column, `batch_size` columns at a time."""
    columns = {name: jnp.asarray(values) for name, values in inputs.items()}
    if isinstance(scheme, MultiScaleKainFritsch):
        return convect_columns(scheme, columns, chunk=batch_size)
    return _labelled(scheme, columns, batch_size)


@eqx.filter_jit
def _labelled(scheme, inputs, batch_size):
    return jax.lax.map(scheme.tendencies, inputs, batch_size=batch_size)


def _smooth(key: Key[Array, ""], depth: Float[Array, " level"], length: float):
    """A random profile of unit variance with a Gaussian correlation of this length."""
    wave_key, phase_key, size_key = jax.random.split(key, 3)
    waves = jax.random.normal(wave_key, (16,)) / length
    phases = jax.random.uniform(phase_key, (16,), maxval=2 * np.pi)
    sizes = jax.random.normal(size_key, (16,))
    return (jnp.sin(depth[:, None] * waves[None] + phases[None]) @ sizes) / np.sqrt(8.0)


def _modes(key: Key[Array, ""], height: Float[Array, " level"]) -> Float[Array, " level"]:
    """A profile of order one that vanishes at the ground and near the tropopause."""
    top_key, size_key = jax.random.split(key)
    top = jax.random.uniform(top_key, minval=1.1e4, maxval=1.9e4)
    phase = jnp.minimum(height / top, 1.0) * np.pi
    sizes = jax.random.normal(size_key, (3,)) * jnp.asarray([1.0, 0.6, 0.35])
    sizes = sizes.at[0].add(0.35)
    return jnp.sin(phase[:, None] * jnp.asarray([[1.0, 2.0, 3.0]])) @ sizes

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from closurax.datasets.normalisers import Standardiser
from closurax.physics.column.convection import MEAN_VERTICAL_VELOCITY, PROFILES, SURFACE
from closurax.physics.column.thermodynamics import saturation_mixing_ratio

from .features import AbstractColumnFeatures, Features, statistics

_LEAST_MIXING_RATIO = 1e-8
_LARGEST_STABILITY = 10.0
_COARSE_SPACING = 25e3


class ColumnFeatures(AbstractColumnFeatures):
    """The variables that a convection scheme reads, and hardly more.

    On each level temperature, the logarithm of the vapour mixing ratio, relative humidity, both
    winds, the mean vertical velocity, the logarithm of pressure, density and layer thickness;
    of the column the logarithm of the grid spacing, the scale factor of Kain-Fritsch schemes,
    the logarithm of the time step, friction velocity, heat flux, boundary layer height and
    stability parameter. The timescale is an hour.
    """

    profile: Standardiser
    surface: Standardiser

    @classmethod
    def fit(cls, inputs: Mapping[str, Array | np.ndarray]) -> "ColumnFeatures":
        """The statistics of each feature, on each level, over many columns.

        **Arguments:**

        - `inputs`: what a convection scheme reads, with a leading sample axis. A feature that
            is the same in all columns is not scaled.
        """
        read = {
            quantity.name: jnp.asarray(inputs[quantity.name])
            for quantity in (*PROFILES, MEAN_VERTICAL_VELOCITY, *SURFACE)
        }
        raw = jax.jit(jax.vmap(_raw))(read)
        return cls(statistics(raw.profile), statistics(raw.scalars))

    def raw(self, inputs: Mapping[str, Any]) -> Features:
        return _raw(inputs)


def _raw(inputs: Mapping[str, Any]) -> Features:
    temperature = inputs["air_temperature"]
    mixing_ratio = inputs["vapour_mixing_ratio"]
    pressure = inputs["air_pressure"]
    profile = (
        temperature,
        jnp.log(jnp.maximum(mixing_ratio, _LEAST_MIXING_RATIO)),
        mixing_ratio / saturation_mixing_ratio(pressure, temperature),
        inputs["eastward_wind"],
        inputs["northward_wind"],
        inputs["mean_vertical_velocity"],
        jnp.log(pressure),
        inputs["air_density"],
        inputs["layer_thickness"],
    )
    scalar = {
        quantity.name: jnp.asarray(inputs[quantity.name], temperature.dtype) for quantity in SURFACE
    }
    spacing = scalar["grid_spacing"]
    scalars = (
        jnp.log(spacing),
        1 + jnp.log(jnp.maximum(_COARSE_SPACING / spacing, 1)),
        jnp.log(scalar["time_step"]),
        scalar["friction_velocity"],
        scalar["sensible_heat_flux"],
        scalar["boundary_layer_height"],
        jnp.clip(scalar["stability_parameter"], -_LARGEST_STABILITY, _LARGEST_STABILITY),
    )
    hour = jnp.full((), 3600, temperature.dtype)
    return Features(jnp.stack(profile, axis=1), jnp.stack(scalars), hour, jnp.ones((), bool))

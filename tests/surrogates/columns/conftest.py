"""Soundings and what convection could have made of them."""

from functools import cache

import numpy as np
import pytest

from closurax.physics.column.convection import TENDENCIES

LEVELS = 6


@cache
def random_columns(count=40, dtype="float32"):
    """Soundings and what convection could have made of them, all random."""
    rng = np.random.default_rng(3)
    pressure = np.linspace(98e3, 20e3, LEVELS) + rng.normal(0, 500, (count, LEVELS))
    temperature = 300 - np.linspace(0, 75, LEVELS) + rng.normal(0, 3, (count, LEVELS))
    vapour = 0.014 * np.exp(-np.linspace(0, 6, LEVELS)) * rng.uniform(0.5, 1.2, (count, LEVELS))
    inputs = {
        "air_pressure": pressure,
        "air_temperature": temperature,
        "vapour_mixing_ratio": vapour,
        "eastward_wind": rng.normal(0, 9, (count, LEVELS)),
        "northward_wind": rng.normal(0, 9, (count, LEVELS)),
        "air_density": pressure / (287 * temperature * (1 + 0.608 * vapour)),
        "layer_thickness": rng.uniform(200, 2000, (count, LEVELS)),
        "mean_vertical_velocity": rng.normal(0, 0.2, (count, LEVELS)),
        "grid_spacing": rng.choice([2e3, 5e3, 10e3, 25e3], count),
        "time_step": rng.choice([12.0, 60.0, 120.0], count),
        "friction_velocity": rng.uniform(0.1, 1, count),
        "sensible_heat_flux": rng.uniform(-30, 400, count),
        "boundary_layer_height": rng.uniform(100, 3000, count),
        "stability_parameter": rng.uniform(-20, 3, count),
    }
    kind = np.arange(count) % 3
    top = np.where(kind > 0, rng.integers(3, LEVELS + 1, count), 1)
    below = (np.arange(1, LEVELS + 1) <= top[:, None]) & (kind > 0)[:, None]
    targets = {
        name: rng.normal(0, 1e-4 if "water" not in name else 1e-8, (count, LEVELS)) * below
        for name, _ in TENDENCIES
    }
    targets |= {
        "precipitation_rate": np.where(kind == 1, rng.uniform(0, 2e-3, count), 0),
        "convective_lifetime": np.select(
            [kind == 1, kind == 2], [rng.uniform(600, 3e3, count), 300.0]
        ),
        "convection_class": kind.astype(float),
        "cloud_base_level": np.where(kind > 0, 2.0, LEVELS + 1),
        "cloud_top_level": top.astype(float),
    }
    cast = lambda data: {name: np.asarray(value, dtype) for name, value in data.items()}  # noqa: E731
    return cast(inputs), cast(targets)


@pytest.fixture
def columns():
    """A function that returns inputs and targets of `count` columns of six levels."""
    return random_columns

"""Columns of our own: the analytic sounding of Weisman and Klemp 1982, perturbed."""

import numpy as np
import pytest


def storms(columns=1, levels=40, seed=0, stretching=1.5):
    """`columns` columns of `levels` layers, as a dict of float64 arrays, the lowest layer first."""
    rng = np.random.default_rng(seed)
    interface = 2e4 * np.linspace(0, 1, levels + 1) ** stretching
    z = 0.5 * (interface[1:] + interface[:-1])
    moisture = rng.uniform(0.011, 0.018, (columns, 1))
    below = np.minimum(z / 12e3, 1) ** 1.25
    stable = 343 * np.exp(9.81 * np.maximum(z - 12e3, 0) / (1004.5 * 213))
    theta = np.where(z <= 12e3, 300 + 43 * below, stable)
    warming = rng.normal(size=(columns, 1)) * np.exp(-(z / 2e3))
    # A warm layer, strong enough in some columns to keep their clouds shallow.
    lid = np.maximum(rng.uniform(-8, 8, (columns, 1)), 0) * np.exp(-(((z - 3500) / 900) ** 2))
    theta = theta + warming + lid + 0.3 * rng.normal(size=(columns, levels)).cumsum(1) / levels**0.5
    depth = np.concatenate([z[:1], np.diff(z)])
    exner = 1 - np.cumsum(9.81 * depth / (1004.5 * theta), axis=1)
    pressure = 1e5 * exner ** (1004.5 / 287)
    temperature = theta * exner
    vapour_pressure = 611.2 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
    saturation = 0.622 * vapour_pressure / (pressure - vapour_pressure)
    humidity = np.where(z <= 12e3, 1 - 0.75 * below, 0.25) * rng.uniform(0.8, 1.05, (columns, 1))
    vapour = np.minimum(humidity * saturation, moisture)
    spacing = rng.choice([2e3, 5e3, 1e4, 2.5e4], columns)
    lift = 0.1 * rng.standard_normal((columns, 1)) + 0.05
    return {
        "air_pressure": pressure,
        "air_temperature": temperature,
        "vapour_mixing_ratio": vapour,
        "eastward_wind": rng.uniform(0, 25, (columns, 1)) * np.tanh(z / 3e3),
        "northward_wind": 3 * rng.standard_normal((columns, 1)) * np.sin(z / 4e3),
        "air_density": pressure / (287 * temperature * (1 + 0.608 * vapour)),
        "layer_thickness": np.broadcast_to(np.diff(interface), (columns, levels)),
        "mean_vertical_velocity": lift * np.sin(np.pi * np.minimum(z / 15e3, 1)),
        "grid_spacing": spacing,
        "time_step": 4e-3 * spacing,
        "friction_velocity": rng.uniform(0.1, 0.8, columns),
        "sensible_heat_flux": rng.uniform(-20, 300, columns),
        "boundary_layer_height": rng.uniform(200, 2000, columns),
        "stability_parameter": rng.uniform(-2, 0.5, columns),
    }


@pytest.fixture
def make_storms():
    return storms

"""Files that hold Gaussians whose weights depend on time, readable with xarray alone."""

import os
from collections.abc import Mapping
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics.problems import AbstractEvolution
from closurax.surrogates.fields import (
    AbstractFeatures,
    EvolvedField,
    GaussianFeatures,
    PeriodicFeatures,
    ReflectedFeatures,
    VanishingFeatures,
)


def write_evolution(
    path: str | os.PathLike,
    problem: AbstractEvolution,
    field: EvolvedField,
    attributes: Mapping[str, str | int | float],
) -> None:
    """Writes centres, widths and the weights at all times, with the names of the problem.

    The field is these Gaussians, times parabolas or minus their reflections on the coordinates
    that say so, and the lift of the problem, which is not in the file.
    """
    features = field.features
    vanishing: tuple[int, ...] = ()
    reflected: tuple[int, ...] = ()
    periods: tuple[float | None, ...] = (None,) * (problem.dims - 1)
    if isinstance(features, VanishingFeatures):
        vanishing, features = features.axes, features.features
    elif isinstance(features, ReflectedFeatures):
        reflected, features = features.axes, features.features
    if isinstance(features, PeriodicFeatures):
        periods, features = features.periods, features.features
    assert isinstance(features, GaussianFeatures)
    time, *space = problem.coordinates
    places, weighted = ("gaussian", "coordinate"), (time.name, "gaussian", "field")
    dataset = xr.Dataset(
        {
            "centre": (places, np.asarray(features.centres), {"long_name": "centres"}),
            "width": (places, np.asarray(features.widths), {"long_name": "standard deviations"}),
            "weight": (
                weighted,
                np.asarray(field.weights),
                {"long_name": "weights of the Gaussians in the fields"},
            ),
            "slope": (
                weighted,
                np.asarray(field.slopes),
                {"long_name": "derivatives of the weights with respect to time"},
            ),
            "period": (
                "coordinate",
                np.array([np.nan if period is None else period for period in periods]),
                {"long_name": "periods, missing where there is none"},
            ),
            "vanishes": (
                "coordinate",
                np.array([axis in vanishing for axis in range(len(space))], np.int8),
                {"long_name": "1 where a factor (1 - x^2), scaled to the box, vanishes"},
            ),
            "reflected": (
                "coordinate",
                np.array([axis in reflected for axis in range(len(space))], np.int8),
                {"long_name": "1 where reflections in both ends of the box are subtracted"},
            ),
        },
        {
            time.name: (time.name, np.asarray(field.times), {"units": time.units}),
            "coordinate": [quantity.name for quantity in space],
            "field": [quantity.name for quantity in problem.fields],
        },
        {
            "Conventions": "CF-1.11",
            "source": f"closurax {version('closurax')}, Gaussians for {type(problem).__name__}",
            "references": "Kang et al. 2024, arXiv 2412.05994, equation 5",
            **attributes,
        },
    )
    write_netcdf(dataset, path)


def read_evolution(path: str | os.PathLike, problem: AbstractEvolution) -> EvolvedField:
    """The field that `write_evolution` wrote, with the lift of the problem."""
    with xr.open_dataset(path, engine="netcdf4") as dataset:
        features: AbstractFeatures = GaussianFeatures(
            jnp.asarray(dataset["centre"].values), jnp.asarray(dataset["width"].values)
        )
        times, weights, slopes = (
            jnp.asarray(dataset[name].values)
            for name in (problem.coordinates[0].name, "weight", "slope")
        )
        periods = dataset["period"].values
        walls = {
            VanishingFeatures: dataset["vanishes"].values,
            ReflectedFeatures: dataset["reflected"].values,
        }
    if not np.isnan(periods).all():
        known = tuple(None if np.isnan(period) else float(period) for period in periods)
        features = PeriodicFeatures(features, known)
    for kind, which in walls.items():
        if which.any():
            axes = tuple(map(int, np.flatnonzero(which)))
            features = kind(features, problem.lower[1:], problem.upper[1:], axes)
    return EvolvedField(features, times, weights, slopes, problem.lift)

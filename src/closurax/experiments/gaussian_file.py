"""Files that hold a field of Gaussians, readable with xarray alone."""

import os
from collections.abc import Mapping
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np
import xarray as xr

from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics.problems import AbstractProblem
from closurax.surrogates.fields import (
    AbstractFeatures,
    GaussianFeatures,
    LinearField,
    PeriodicFeatures,
    VanishingFeatures,
)


def write_gaussians(
    path: str | os.PathLike,
    problem: AbstractProblem,
    field: LinearField,
    attributes: Mapping[str, str | int | float],
) -> None:
    """Writes centres, widths and weights, with the names and units of the problem.

    The field is these Gaussians, times parabolas on the coordinates that say so. What is added to
    them in closed form is not in the file.
    """
    features = field.features
    order = np.zeros(problem.dims, np.int8)
    while isinstance(features, VanishingFeatures):
        order[list(features.axes)] += 1
        features = features.features
    periods: tuple[float | None, ...] = (None,) * problem.dims
    if isinstance(features, PeriodicFeatures):
        periods, features = features.periods, features.features
    assert isinstance(features, GaussianFeatures)
    # Of a cavity the vorticity follows from the stream function.
    fields = problem.fields[: field.weights.shape[1]]
    places = ("gaussian", "coordinate")
    dataset = xr.Dataset(
        {
            "centre": (places, np.asarray(features.centres), {"long_name": "centres"}),
            "width": (places, np.asarray(features.widths), {"long_name": "standard deviations"}),
            "weight": (
                ("gaussian", "field"),
                np.asarray(field.weights),
                {"long_name": "weights of the Gaussians in the fields"},
            ),
            "period": (
                "coordinate",
                np.array([np.nan if period is None else period for period in periods]),
                {"long_name": "periods, missing where there is none"},
            ),
            "vanishes": (
                "coordinate",
                order,
                {"long_name": "power of a factor (1 - x^2), scaled to the box"},
            ),
            "box": (
                ("coordinate", "end"),
                np.stack([problem.lower, problem.upper], axis=-1),
                {"long_name": "ends of the box"},
            ),
        },
        {
            "coordinate": [quantity.name for quantity in problem.coordinates],
            "field": [quantity.name for quantity in fields],
            "coordinate_units": (
                "coordinate",
                [quantity.units for quantity in problem.coordinates],
            ),
            "field_units": ("field", [quantity.units for quantity in fields]),
        },
        {
            "Conventions": "CF-1.11",
            "source": f"closurax {version('closurax')}, Gaussians for {type(problem).__name__}",
            "references": "Kang et al. 2024, arXiv 2412.05994, equation 5",
            **attributes,
        },
    )
    write_netcdf(dataset, path)


def read_gaussians(path: str | os.PathLike) -> LinearField:
    """The field that `write_gaussians` wrote."""
    with xr.open_dataset(path, engine="netcdf4") as dataset:
        gaussians = GaussianFeatures(
            jnp.asarray(dataset["centre"].values), jnp.asarray(dataset["width"].values)
        )
        weights = jnp.asarray(dataset["weight"].values)
        periods, order = dataset["period"].values, dataset["vanishes"].values
        lower, upper = (tuple(map(float, ends)) for ends in dataset["box"].values.T)
    features: AbstractFeatures = gaussians
    if not np.isnan(periods).all():
        known = tuple(None if np.isnan(period) else float(period) for period in periods)
        features = PeriodicFeatures(features, known)
    for each in range(order.max()):
        axes = tuple(map(int, np.flatnonzero(order > each)))
        features = VanishingFeatures(features, lower, upper, axes)
    return LinearField(features, weights)

from collections.abc import Sequence
from importlib.metadata import version

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, grid_axes, grid_points

from .field import AbstractField

_CHUNK = 1024


def on_grid(problem: AbstractProblem, field: AbstractField, shape: Sequence[int]) -> xr.Dataset:
    """The fields on a regular grid over the box of a problem, with names, units and coordinates.

    **Arguments:**

    - `shape`: the number of points of each axis, its ends included.

    Raises `ClosuraxError` for another number of axes than the problem has, or fewer than two
    points.
    """
    if len(shape) != problem.dims or min(shape) < 2:
        raise ClosuraxError(
            f"`shape` = {tuple(shape)}: {type(problem).__name__} has {problem.dims} axes; give at "
            "least two points for each."
        )
    axes = grid_axes(problem, shape)
    points = grid_points(axes).reshape(-1, problem.dims)
    values = np.asarray(_evaluated(field, jnp.asarray(points))).reshape(*shape, -1)
    names = tuple(coordinate.name for coordinate in problem.coordinates)
    return xr.Dataset(
        {
            quantity.name: (names, values[..., index], {"units": quantity.units})
            for index, quantity in enumerate(problem.fields)
        },
        {
            quantity.name: (quantity.name, axis, {"units": quantity.units})
            for quantity, axis in zip(problem.coordinates, axes, strict=True)
        },
        {
            "Conventions": "CF-1.11",
            "source": f"closurax {version('closurax')}, {type(field).__name__} for "
            f"{type(problem).__name__}",
        },
    )


@eqx.filter_jit
def _evaluated(field: AbstractField, points: Array) -> Array:
    return jax.lax.map(field, points, batch_size=min(_CHUNK, len(points)))

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, grid_axes, grid_points

from .at_points import at_points, compiled_at_points
from .evolved_field import EvolvedField
from .field import AbstractField

_CHUNK_OVER_TIME = 128


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
    names = [coordinate.name for coordinate in problem.coordinates]
    return on_axes(problem, field, dict(zip(names, grid_axes(problem, shape), strict=True)))


def on_axes(
    problem: AbstractProblem,
    field: AbstractField,
    axes: Mapping[str, float | Float[np.ndarray, " _"]],
) -> xr.Dataset:
    """The fields on any grid, such as that of a model, with names, units and coordinates.

    **Arguments:**

    - `axes`: of each coordinate by its name, the values, or a single one. Along periodic axes
        they may be outside of the box.

    Raises `ClosuraxError` for other coordinates than those of the problem, and
    `GridMismatchError` for points outside of its box.
    """
    names = [coordinate.name for coordinate in problem.coordinates]
    if set(axes) != set(names):
        raise ClosuraxError(
            f"`axes` has {sorted(axes)}, but {type(problem).__name__} has the coordinates {names}."
        )
    values = {name: np.asarray(axes[name], np.float64) for name in names}
    inside = [
        low + (axis - low) % (high - low) if is_periodic else axis
        for axis, low, high, is_periodic in zip(
            values.values(), problem.lower, problem.upper, problem.periodic, strict=True
        )
    ]
    # A single value is an axis of the points, but not of the Dataset.
    shape = tuple(axis.size for axis in inside)
    points = problem.checked(grid_points([axis.ravel() for axis in inside]).reshape(-1, len(names)))
    if isinstance(field, EvolvedField):
        at_times = points.reshape(shape[0], -1, problem.dims)
        times, places = at_times[:, 0, 0], at_times[0, :, 1:]
        found = np.asarray(_evaluated_by_time(field, jnp.asarray(times), jnp.asarray(places)))
    else:
        found = np.asarray(compiled_at_points(field, jnp.asarray(points)))
    found = found.reshape(*shape, -1)
    single = tuple(index for index, axis in enumerate(inside) if not axis.ndim)
    found = np.squeeze(found, axis=single)
    dims = tuple(name for name in names if values[name].ndim)
    return xr.Dataset(
        {
            quantity.name: (dims, found[..., index], {"units": quantity.units})
            for index, quantity in enumerate(problem.fields)
        },
        {
            quantity.name: (
                (quantity.name,) * values[quantity.name].ndim,
                values[quantity.name],
                {"units": quantity.units},
            )
            for quantity in problem.coordinates
        },
        {
            "Conventions": "CF-1.11",
            "source": f"closurax {version('closurax')}, {type(field).__name__} for "
            f"{type(problem).__name__}",
        },
    )


@eqx.filter_jit
def _evaluated_by_time(field: EvolvedField, times: Array, places: Array) -> Array:
    """The features of a place are the same at all times."""
    weights = jax.lax.map(lambda time: field.at(time).weights, times)
    offset = field.offset

    def at(place):
        values = jnp.einsum("n,tnf->tf", field.features(place), weights)
        if offset is None:
            return values
        known = jax.vmap(lambda time: offset(jnp.concatenate([time[None], place])))(times)
        return values + known

    found = at_points(at, places, _CHUNK_OVER_TIME)
    return jnp.swapaxes(found, 0, 1)

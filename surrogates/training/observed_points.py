from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from closurax.physics.errors import DataError
from closurax.physics.problems import AbstractProblem


class ObservedPoints(NamedTuple):
    """Observed values with the points and the fields that they are of."""

    points: Float[np.ndarray, "observations dims"]
    values: Float[np.ndarray, " observations"]
    field: Int[np.ndarray, " observations"]
    """Which of the fields of the problem each value is of."""


def observed_points(problem: AbstractProblem, observations: xr.Dataset) -> ObservedPoints:
    """The observations of the fields of a problem, one after the other, in double precision.

    **Arguments:**

    - `observations`: some of the fields by their names, over any dimensions, with all coordinates
        of the problem by theirs: scattered, on a grid, or both. Missing values are left out.

    Raises `DataError` for other names or no values, and `GridMismatchError` for points outside
    of the problem's box.
    """
    coordinates = [quantity.name for quantity in problem.coordinates]
    names = [quantity.name for quantity in problem.fields]
    missing = [name for name in coordinates if name not in observations.variables]
    if missing:
        raise DataError(f"`observations` lacks the coordinates {missing}; it needs {coordinates}.")
    unknown = [str(name) for name in observations.data_vars if name not in (*names, *coordinates)]
    if unknown:
        raise DataError(
            f"`observations` has {unknown}, but the fields of {type(problem).__name__} are {names}."
        )
    found: list[tuple[np.ndarray, np.ndarray, int]] = []
    for index, name in enumerate(names):
        if name not in observations:
            continue
        field, *places = xr.broadcast(
            observations[name], *(observations[coordinate] for coordinate in coordinates)
        )
        values = np.asarray(field.values, np.float64).ravel()
        points = np.stack([np.asarray(place.values, np.float64).ravel() for place in places], -1)
        known = np.isfinite(values)
        found.append((problem.checked(points[known]), values[known], index))
    if not sum(len(values) for _, values, _ in found):
        raise DataError(f"`observations` holds no value of any of {names}.")
    return ObservedPoints(
        np.concatenate([points for points, _, _ in found]),
        np.concatenate([values for _, values, _ in found]),
        np.concatenate([np.full(len(values), index) for _, values, index in found]),
    )

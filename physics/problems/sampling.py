"""Points in the box of a problem: more evenly spread than random ones, or on a grid."""

from collections.abc import Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float

from ..errors import ClosuraxError
from .problem import AbstractProblem, Condition


def interior_points(
    problem: AbstractProblem, count: int, seed: int
) -> Float[np.ndarray, "{count} dims"]:
    """Points inside of the box, from a scrambled Halton sequence, in double precision.

    **Arguments:**

    - `problem`: gives the box.
    - `count`: how many points, at least 1.
    - `seed`: of the scrambling; the same one gives the same points.

    Raises `ClosuraxError` for a `count` below 1.

    ??? cite "References"
        Owen 2017, A randomized Halton algorithm in R, arXiv 1706.02808.
    """
    return _in_box(problem, _halton(problem.dims, count, seed))


def face_points(
    problem: AbstractProblem, condition: Condition, count: int, seed: int
) -> Float[np.ndarray, "{count} dims"]:
    """Points on the face of the box that a condition holds on; see `interior_points`.

    Raises `ClosuraxError` for a `count` below 1, or a condition on an axis that the problem
    does not have.
    """
    axis = condition.axis
    if not 0 <= axis < problem.dims:
        raise ClosuraxError(
            f"The condition {condition.name!r} is on axis {axis}, but "
            f"{type(problem).__name__} has {problem.dims} axes; use one of its own conditions."
        )
    # The face of a problem in one dimension is a point, in which a sequence has no dimension.
    across = _halton(problem.dims - 1, count, seed) if problem.dims > 1 else np.empty((count, 0))
    points = _in_box(problem, np.insert(across, axis, 0.0, axis=1))
    points[:, axis] = (problem.upper if condition.upper else problem.lower)[axis]
    return points


def grid_axes(problem: AbstractProblem, shape: Sequence[int]) -> list[Float[np.ndarray, " _"]]:
    """The coordinates of a regular grid over the box along each axis, the ends included."""
    return [
        np.linspace(low, high, count)
        for low, high, count in zip(problem.lower, problem.upper, shape, strict=True)
    ]


def grid_points(
    axes: Sequence[Float[np.ndarray, " _"]],
) -> Float[np.ndarray, "*points dims"]:
    """The points of the grid with these coordinates."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _halton(dims: int, count: int, seed: int) -> np.ndarray:
    if count < 1:
        raise ClosuraxError(f"`count` = {count}: ask for at least one point.")
    return scipy.stats.qmc.Halton(dims, rng=np.random.default_rng(seed)).random(count)


def _in_box(problem: AbstractProblem, unit: np.ndarray) -> np.ndarray:
    lower, upper = np.array(problem.lower), np.array(problem.upper)
    return lower + (upper - lower) * unit

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError
from .jet import Jet
from .problem import AbstractProblem, Condition
from .sampling import face_points

_POINTS = 64
# Of the largest value on the faces; published nonlinear diffusion disagrees by two hundredths.
_TOLERANCE = 0.05


def check_agreement(problem: AbstractProblem) -> None:
    """Whether the values at the start and those on the walls are the same where both hold.

    Only conditions that give all fields their values are compared.

    **Arguments:**

    - `problem`: whose first coordinate is the time; nothing is checked for others.

    Raises `ClosuraxError` where they differ by more than a twentieth of the largest value.
    """
    if problem.coordinates[0].name != "t":
        return
    given = [each for each in problem.conditions() if _gives_values(problem, each)]
    if not given:
        return
    faces = [(each, face_points(problem, each, _POINTS, seed=0)) for each in given]
    largest = max(np.abs(_values(problem, each, points)).max() for each, points in faces)
    starts = [each for each in given if each.axis == 0 and not each.upper]
    walls = [(each, points) for each, points in faces if each.axis != 0]
    for start, (wall, points) in product(starts, walls):
        points[:, 0] = problem.lower[0]
        values = [_values(problem, each, points) for each in (start, wall)]
        gaps = np.abs(values[0] - values[1]).max(axis=1)
        if not gaps.max() <= _TOLERANCE * largest:
            worst = int(np.argmax(gaps))
            place = ", ".join(
                f"{quantity.name} = {value:.4g}"
                for quantity, value in zip(problem.coordinates, points[worst], strict=True)
            )
            raise ClosuraxError(
                f"The {start.name} of {type(problem).__name__} and its {wall.name} disagree: at "
                f"{place} they are {values[0][worst]} and {values[1][worst]}. No field has both; "
                "correct one of them."
            )


def _zero(problem: AbstractProblem) -> Jet:
    fields, dims = len(problem.fields), problem.dims
    return Jet(jnp.zeros(fields), jnp.zeros((fields, dims)), jnp.zeros((fields, dims)))


def _gives_values(problem: AbstractProblem, condition: Condition) -> bool:
    """Whether the residual is the value less what is given."""
    point = jnp.asarray(face_points(problem, condition, 1, seed=0)[0])
    slopes = jax.jacfwd(condition.residual, argnums=1)(point, _zero(problem))
    fields = len(problem.fields)
    return bool(
        slopes.value.shape == (fields, fields)
        and jnp.all(slopes.value == jnp.eye(fields))
        and jnp.all(slopes.gradient == 0)
        and jnp.all(slopes.second == 0)
    )


def _values(
    problem: AbstractProblem, condition: Condition, points: np.ndarray
) -> Float[np.ndarray, "points fields"]:
    zero = _zero(problem)

    def given(point: Array) -> Array:
        return -condition.residual(point, zero)

    return np.asarray(jax.vmap(given)(jnp.asarray(points)))

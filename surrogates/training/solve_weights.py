from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError

from ..fields.at_points import compiled_at_points
from ..fields.features import AbstractFeatures
from ..fields.field import AbstractField
from ..fields.linear_field import LinearField
from .collocation import Collocation
from .measured_collocation import MeasuredCollocation

Points = Collocation | MeasuredCollocation

# Of the size of a matrix: what is below is rounding, in double precision.
_ROUNDING = 3e-16
_ENOUGH = 0.9
_BENT = 0.01
_SHORTEST = 1 / 64


class WeightSolution(NamedTuple):
    """A field with solved weights, its root mean square residual, and the steps it took."""

    field: LinearField
    residual: float
    steps: int


def solve_weights(field: LinearField, collocation: Points, max_steps: int = 20) -> WeightSolution:
    """The weights with the least squares of the residuals, by the method of Gauss and Newton.

    One step solves a linear problem. Every step is a linear least-squares problem, solved by a QR
    decomposition: Gaussians that overlap enough to be accurate are nearly dependent, and the
    normal equations would lose half of the digits. Combinations of weights that make no
    difference beyond rounding stay small. The work is of the order of rows x weights squared, in
    double precision.

    **Arguments:**

    - `field`: with the weights to start from.
    - `collocation`: of more rows than there are weights.
    - `max_steps`: at most. It ends when a step lowers the residual by less than a tenth, or the
        equations are so linear that the next one would.

    Raises `ClosuraxError` in single precision, for fewer rows than weights, or if the residuals
    are not finite or do not depend on the weights.
    """
    if field.weights.dtype != np.float64:
        raise ClosuraxError(
            f"The weights are {field.weights.dtype}; solving for them needs float64: "
            "jax.config.update('jax_enable_x64', True) before anything else."
        )
    residual, step = np.inf, 0
    for step in range(1, max_steps + 1):
        matrix, values = map(np.asarray, collocation.linearised(field))
        if matrix.shape[0] < matrix.shape[1]:
            raise ClosuraxError(
                f"There are {matrix.shape[0]} equations for {matrix.shape[1]} weights; take more "
                "points."
            )
        if not (np.isfinite(matrix).all() and np.isfinite(values).all()):
            raise ClosuraxError(f"The residuals are not finite at step {step} of the weights.")
        if not matrix.any():
            raise ClosuraxError("No weight changes any residual: do the features reach the points?")
        before = _size(values)
        change = least_squares(matrix, -values[:, None])[:, 0]
        field, after = _shortened(field, collocation, change, before)
        residual = _size(after)
        # What the linear problem left is all that another step could not lower.
        bent = _size(after - (matrix @ change + values))
        if residual > _ENOUGH * before or bent < _BENT * residual:
            break
    return WeightSolution(field, residual, step)


def least_squares(
    matrix: Float[np.ndarray, "rows weights"], values: Float[np.ndarray, "rows fields"]
) -> Float[np.ndarray, "weights fields"]:
    """By a triangle, with a row for each weight that keeps it small by as much as rounding may.

    These rows stand in for the rank that pivoting would find, which takes three times as long.
    """
    rows, weights = matrix.shape
    system = np.zeros((rows + weights, weights + values.shape[1]), order="F")
    system[:rows, :weights], system[:rows, weights:] = matrix, values
    np.fill_diagonal(system[rows:], _ROUNDING * np.linalg.norm(matrix))
    (triangle,) = scipy.linalg.qr(system, mode="r", overwrite_a=True, check_finite=False)
    return scipy.linalg.solve_triangular(
        triangle[:weights, :weights], triangle[:weights, weights:], check_finite=False
    )


def nearest_weights(
    features: AbstractFeatures, field: AbstractField, points: Float[Array, "points dims"]
) -> Float[np.ndarray, "weights fields"]:
    """Those with which features are closest to a field at some points."""
    matrix, values = (np.asarray(compiled_at_points(each, points)) for each in (features, field))
    return least_squares(matrix, values)


def _shortened(
    field: LinearField, collocation: Points, change: np.ndarray, before: float
) -> tuple[LinearField, np.ndarray]:
    """The field after the longest step, halved and halved again, that lowers its residuals."""
    length = 1.0
    while length >= _SHORTEST:
        weights = field.weights + length * jnp.asarray(change).reshape(field.weights.shape)
        changed = eqx.tree_at(lambda field: field.weights, field, weights)
        residuals = np.asarray(collocation.residuals(changed))
        if _size(residuals) < before:
            return changed, residuals
        length /= 2
    return field, np.asarray(collocation.residuals(field))


def _size(values: Float[np.ndarray, " rows"]) -> float:
    return float(np.sqrt(np.mean(values**2)))

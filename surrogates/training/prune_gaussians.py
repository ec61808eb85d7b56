from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Int

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem

from ..fields.features import AbstractFeatures
from ..fields.gaussian_features import GaussianFeatures
from ..fields.linear_field import LinearField
from .collocation import Collocation
from .solve_weights import nearest_weights, solve_weights

# Widths, of those that keep the overlap of Gaussians that are evenly spread.
_WIDTHS = (0.8, 1.0, 1.2, 1.44)


class PrunedGaussians(NamedTuple):
    """A field of some of the Gaussians of another one, wider than they were.

    The residual is `Collocation.not_exceeded`, at points that were not fitted.
    """

    field: LinearField
    residual: float
    kept: Int[np.ndarray, " gaussians"]
    """Their indices in the other field, the most independent one first."""
    widening: float


def prune_gaussians(
    problem: AbstractProblem, field: LinearField, count: int, *, seed: int
) -> PrunedGaussians:
    """The solution of a problem by fewer of the Gaussians that it was solved with.

    Those are kept that do the most independent things to the equation and its conditions: the
    first columns of a QR decomposition with pivoting (Businger and Golub 1965, Numer. Math. 7,
    269) of the derivatives of the residuals. They are widened by one factor, to overlap again,
    and the weights are solved for. The factor is the one of four with the smallest residual at
    other points.

    **Arguments:**

    - `field`: of `GaussianFeatures`, also periodic or with walls: of `fit_gaussians` for example.
    - `count`: of Gaussians to keep.
    - `seed`: of the points.

    Raises `ClosuraxError` if there are not more than `count` Gaussians, or other features, and as
    `solve_weights` does.
    """
    before = len(field.weights)
    if not 1 <= count < before:
        raise ClosuraxError(
            f"`count` = {count} must be from 1 to {before - 1}: there are {before}."
        )
    points = Collocation.for_features(problem, before, seed).balanced(field)
    rows, _ = points.linearised(field)
    # What a Gaussian does, in all fields.
    columns = np.moveaxis(np.asarray(rows).reshape(-1, *field.weights.shape), 2, 0)
    columns = columns.reshape(-1, before)
    columns = columns / np.maximum(np.linalg.norm(columns, axis=0), np.finfo(float).tiny)
    _, order = scipy.linalg.qr(columns, mode="r", pivoting=True, check_finite=False)
    kept = order[:count]
    held_out = Collocation.held_out(problem, seed).balanced(field)
    without_offset = LinearField(field.features, field.weights)
    evenly = (before / count) ** (1 / problem.dims)

    def widened(widening: float) -> PrunedGaussians:
        features = _some_of(field.features, kept, widening)
        weights = nearest_weights(features, without_offset, points.interior)
        start = LinearField(features, jnp.asarray(weights), field.offset)
        solved = solve_weights(start, points).field
        return PrunedGaussians(solved, held_out.not_exceeded(solved), kept, widening)

    fits = [widened(evenly * width) for width in _WIDTHS]
    return min(fits, key=lambda fit: fit.residual)


def _some_of(features: AbstractFeatures, kept: np.ndarray, widening: float) -> AbstractFeatures:
    def chosen(part):
        if not isinstance(part, GaussianFeatures):
            raise ClosuraxError(
                f"{type(features).__name__} has other arrays than those of GaussianFeatures; only "
                "Gaussians can be pruned."
            )
        return GaussianFeatures(part.centres[kept], widening * part.widths[kept])

    return jax.tree.map(chosen, features, is_leaf=lambda part: isinstance(part, GaussianFeatures))

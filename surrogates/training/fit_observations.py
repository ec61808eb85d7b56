from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import xarray as xr
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem

from ..fields.at_points import compiled_at_points
from ..fields.linear_field import LinearField
from .collocation import Collocation
from .fit_coefficients import estimates
from .observed_points import ObservedPoints, observed_points
from .unknown_coefficients import coefficient_values, with_coefficients

# Relative to the largest singular value.
_RANK_TOLERANCE = 1e-13
_SHORTEST = 1 / 64
# Squares of standard deviations, all unknowns together; and the logarithm of the noise.
_CLOSE, _STEADY = 1e-3, 0.01
_SMALLEST = 1e-14
# By how much equations may count for more than in the step before.
_HARDER = 3.0
# As a part of the standard deviation of the observations.
_FIRST_NOISE = 0.1


class ObservationFit(NamedTuple):
    """A field between a problem and observations, and the coefficients of the problem."""

    problem: AbstractProblem
    field: LinearField
    coefficients: xr.Dataset
    """`value`, `standard_deviation` and `covariance` by the name of the coefficient."""
    noise: float
    """The standard deviation of the observations, as given or as found."""
    equation_error: float
    """That of the balanced equations."""
    steps: int


def fit_observations(
    problem: AbstractProblem,
    field: LinearField,
    observations: xr.Dataset,
    names: Sequence[str] = (),
    *,
    noise: float | None = None,
    equation_error: float | None = None,
    seed: int = 0,
    max_steps: int = 50,
) -> ObservationFit:
    r"""The weights of a field that satisfies a problem and agrees with observations.

    Weights and unknown coefficients $\theta$ of the problem together are those with

    $$\min_{w, \theta} \; \sum_i \frac{(u_w(x_i) - y_i)^2}{\sigma^2}
    + \frac{|P \, r(u_w; \theta)|^2}{\rho^2}, $$

    by the method of Gauss and Newton. $r$ are the residuals of the problem at collocation points,
    of balanced rows, see `Collocation`. $P$ projects on the combinations of equations that some
    weights satisfy, $P r = 0$: without it the coefficients would be those with which the
    equations fit the features best, whatever is observed. $\sigma$ and $\rho$, unless given, are
    the root mean squares of both, in proportion to their degrees of freedom (Helmert's variance
    components; Förstner 1979, Z. Vermessungswesen 104, 446); $\rho$ is not below that of all other
    combinations, which is how well the features can satisfy equations.

    Conditions that are not known are left out of the problem with `WithoutConditions`: a model can
    start from a field for which the observations make up for an initial state.

    **Arguments:**

    - `problem`: with coefficients to start from.
    - `field`: with weights to start from.
    - `observations`: some of the fields by their names, with all coordinates of the problem by
        theirs, over any dimensions; missing values are left out.
    - `names`: coefficients that are unknown: attributes, such as `"viscosity"`, or attributes of
        what the problem holds, such as `"problem.viscosity"`.
    - `noise`: $\sigma$, in the units of the fields.
    - `equation_error`: $\rho$.
    - `seed`: of the collocation points.
    - `max_steps`: at most.

    Raises `ClosuraxError` in single precision, for names or numbers that make no sense, if there
    are fewer equations and observations than unknowns, or if it does not end; and as
    `observed_points` does.
    """
    if field.weights.dtype != np.float64:
        raise ClosuraxError(
            f"The weights are {field.weights.dtype}; fitting them needs float64: "
            "jax.config.update('jax_enable_x64', True) before anything else."
        )
    for name, size in (("noise", noise), ("equation_error", equation_error)):
        if size is not None and not size > 0:
            raise ClosuraxError(f"`{name}` = {size} must be positive.")
    names = tuple(names)
    vector, labels = coefficient_values(problem, names)
    observed = observed_points(problem, observations)
    count = field.weights.shape[0]
    collocation = Collocation.for_features(problem, count, seed).balanced(field)
    rows = _observed_rows(field, observed)
    known = _values(field, observed) - rows @ np.asarray(field.weights).ravel()
    observed_only = np.concatenate([rows, np.zeros((len(rows), len(vector)))], axis=1)
    spread = max(float(np.std(observed.values)), _SMALLEST)
    # The observations count for most at first: a field of zeros may satisfy the equations, too.
    sigma = noise or _FIRST_NOISE * spread
    rho, covariance, steps = spread, np.zeros((0, 0)), 0

    def misfit_of(field: LinearField) -> np.ndarray:
        return rows @ np.asarray(field.weights).ravel() + known - observed.values

    for _ in range(max_steps):
        steps += 1
        matrix, slopes, residuals = map(
            np.asarray, _linearised(collocation, names, jnp.asarray(vector), field)
        )
        if not all(np.isfinite(each).all() for each in (matrix, slopes, residuals)):
            raise ClosuraxError("The equations are not finite; start closer.")
        satisfiable, left_over = _satisfiable(matrix, residuals)
        rho = equation_error or max(rho, left_over, _SMALLEST)
        equations = satisfiable.T @ np.concatenate([matrix, slopes], axis=1)
        misfit = misfit_of(field)
        change, shares, covariance = _solved(
            np.concatenate([equations / rho, observed_only / sigma]),
            np.concatenate([satisfiable.T @ residuals / rho, misfit / sigma]),
            len(vector),
        )
        before = _cost(satisfiable.T @ residuals, misfit, rho, sigma)
        length = 1.0
        while length >= _SHORTEST:
            weights = field.weights + length * jnp.asarray(
                change[: field.weights.size].reshape(field.weights.shape)
            )
            changed = eqx.tree_at(lambda field: field.weights, field, weights)
            moved = vector + length * change[field.weights.size :]
            residuals = np.asarray(_residuals(collocation, names, jnp.asarray(moved), changed))
            # Not a number is not less. The first step only has to meet the observations.
            after = _cost(satisfiable.T @ residuals, misfit_of(changed), rho, sigma)
            if after < before or (steps == 1 and np.isfinite(after)):
                field, vector = changed, moved
                break
            length /= 2
        predicted = np.concatenate([equations / rho, observed_only / sigma]) @ change
        found = sigma, rho
        if noise is None:
            sigma = _deviation(misfit_of(field), shares[len(equations) :])
        if equation_error is None:
            # What the observations pull the equations away from zero; not below what is left of
            # the others.
            pulled = _deviation(satisfiable.T @ residuals, shares[: len(equations)])
            rho = max(pulled, rho / _HARDER)
        steady = np.abs(np.log(np.divide((sigma, max(rho, left_over)), found))).max() < _STEADY
        if steady and (float(np.sum(predicted**2)) < _CLOSE or length < _SHORTEST):
            break
    else:
        raise ClosuraxError(
            f"{max_steps} steps do not find the field; give `noise`, more observations, or start "
            "closer."
        )
    rho = found[1]
    return ObservationFit(
        with_coefficients(problem, names, jnp.asarray(vector)),
        field,
        estimates(labels, vector, covariance),
        float(sigma),
        float(rho),
        steps,
    )


def _with(collocation: Collocation, names: tuple[str, ...], vector: Array) -> Collocation:
    problem = with_coefficients(collocation.problem, names, vector)
    return eqx.tree_at(lambda collocation: collocation.problem, collocation, problem)


@eqx.filter_jit
def _residuals(collocation, names, vector: Array, field: LinearField) -> Array:
    return _with(collocation, names, vector).residuals(field)


@eqx.filter_jit
def _linearised(collocation, names, vector: Array, field: LinearField):
    matrix, residuals = _with(collocation, names, vector).linearised(field)
    if not names:
        return matrix, jnp.zeros((len(residuals), 0)), residuals
    slopes = jax.jacfwd(lambda vector: _with(collocation, names, vector).residuals(field))(vector)
    return matrix, slopes, residuals


def _observed_rows(
    field: LinearField, observed: ObservedPoints
) -> Float[np.ndarray, "observations weights"]:
    """The derivatives of the observed values with respect to the weights."""
    features = np.asarray(compiled_at_points(field.features, jnp.asarray(observed.points)))
    of_field = np.eye(field.weights.shape[1])[observed.field]
    return (features[:, :, None] * of_field[:, None, :]).reshape(len(features), -1)


def _values(field: LinearField, observed: ObservedPoints) -> Float[np.ndarray, " observations"]:
    values = np.asarray(jax.vmap(field)(jnp.asarray(observed.points)))
    return values[np.arange(len(values)), observed.field]


def _satisfiable(
    matrix: np.ndarray, residuals: np.ndarray
) -> tuple[Float[np.ndarray, "rows ranks"], float]:
    """The combinations of equations that the weights can satisfy; what is left of the others."""
    if matrix.shape[0] <= matrix.shape[1]:
        raise ClosuraxError(
            f"There are {matrix.shape[0]} equations for {matrix.shape[1]} weights, and more are "
            "needed."
        )
    left, singular, _ = scipy.linalg.svd(matrix, full_matrices=False, check_finite=False)
    left = left[:, singular > _RANK_TOLERANCE * singular[0]]
    others = residuals - left @ (left.T @ residuals)
    return left, float(np.linalg.norm(others) / np.sqrt(len(residuals) - left.shape[1]))


def _solved(
    matrix: np.ndarray, right: np.ndarray, coefficients: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The step, how much each row takes part in it, and the covariance of the coefficients."""
    size = np.linalg.norm(matrix, axis=0)
    size[size == 0] = 1
    left, singular, rotation = scipy.linalg.svd(
        matrix / size, full_matrices=False, check_finite=False
    )
    rank = int(np.sum(singular > _RANK_TOLERANCE * singular[0]))
    inverse = (rotation[:rank].T / singular[:rank]) / size[:, None]
    of_coefficients = inverse[len(size) - coefficients :]
    return (
        -inverse @ (left[:, :rank].T @ right),
        np.sum(left[:, :rank] ** 2, axis=1),
        of_coefficients @ of_coefficients.T,
    )


def _deviation(values: np.ndarray, shares: np.ndarray) -> float:
    """The standard deviation of what is left over, of which the unknowns take these shares."""
    free = max(len(values) - float(shares.sum()), 1.0)
    return max(float(np.linalg.norm(values) / np.sqrt(free)), _SMALLEST)


def _cost(residuals: np.ndarray, misfit: np.ndarray, rho: float, sigma: float) -> float:
    return float(np.sum((residuals / rho) ** 2) + np.sum((misfit / sigma) ** 2))

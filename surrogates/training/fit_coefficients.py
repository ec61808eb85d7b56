from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem

from ..fields.at_points import at_points
from ..fields.evolved_field import EvolvedField
from ..fields.field import AbstractField
from .observed_points import ObservedPoints, observed_points
from .unknown_coefficients import coefficient_values, with_coefficients

Problem = TypeVar("Problem", bound=AbstractProblem)

_SHORTEST = 1 / 1024
# In standard deviations of what is still unknown.
_CLOSE = 1e-3
# Relative to the largest singular value, with columns of the same size.
_RANK_TOLERANCE = 1e-10


class CoefficientFit(NamedTuple):
    """A problem whose coefficients were found, and its solution."""

    problem: AbstractProblem
    field: AbstractField
    coefficients: xr.Dataset
    """`value`, `standard_deviation` and `covariance` by the name of the coefficient."""
    noise: float
    """The standard deviation of the observations, as given or as found."""
    steps: int


def fit_coefficients(
    problem: Problem,
    names: Sequence[str],
    observations: xr.Dataset,
    solve: Callable[[Problem], AbstractField],
    *,
    noise: float | None = None,
    prior: Mapping[str, float] | None = None,
    positive: Sequence[str] = (),
    max_steps: int = 30,
    progress: bool = True,
) -> CoefficientFit:
    r"""The coefficients with which the solution of a problem is closest to observations of it.

    The most probable coefficients $\theta$ for independent normal errors of size $\sigma$,

    $$\min_\theta \; \sum_i \frac{(u(x_i; \theta) - y_i)^2}{\sigma^2}
    + \sum_j \frac{(\theta_j - \theta_j^0)^2}{\tau_j^2},$$

    by the method of Gauss and Newton with shortened steps: `solve` is differentiated, forward,
    with respect to the coefficients, so the equation is never weighed against the observations.
    The inverse of the matrix of that method at the end is the covariance: without a prior, that is
    the bound of Cramér and Rao for the smallest one that any unbiased estimate can have, as far as
    `solve` is exact. What `solve` gets wrong moves the coefficients and is not in the covariance.

    **Arguments:**

    - `problem`: with coefficients to start from.
    - `names`: those that are unknown: attributes, such as `"reaction_rate"`, or attributes of what
        the problem holds, such as `"state.weights"`; numbers or arrays.
    - `observations`: some of the fields by their names, with all coordinates of the problem by
        theirs, over any dimensions; missing values are left out.
    - `solve`: maps a problem to its solution, differentiable in forward mode.
    - `noise`: $\sigma$, in the units of the fields; found from what is left over if not given.
    - `prior`: $\tau$ by name; coefficients without one may have any value.
    - `positive`: names of coefficients that must stay positive.
    - `max_steps`: at most. It ends when a step is shorter than a thousandth of the standard
        deviations.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` in single precision, for names or numbers that make no sense, for
    coefficients that the observations do not tell apart, or if it does not end; and as
    `observed_points` does.
    """
    if jnp.zeros(()).dtype != np.float64:
        raise ClosuraxError(
            "Fitting coefficients needs float64: jax.config.update('jax_enable_x64', True) before "
            "anything else."
        )
    names = tuple(names)
    start, labels = coefficient_values(problem, names)
    observed = observed_points(problem, observations)
    precision = 1 / _deviations(prior or {}, names, labels) ** 2
    if not len(start) or (noise is not None and noise <= 0):
        raise ClosuraxError(f"Give at least one of `names` and a positive `noise`, not {noise}.")
    if len(observed.values) <= len(start) and noise is None:
        raise ClosuraxError(
            f"{len(observed.values)} observations tell no noise from {len(start)} coefficients; "
            "give `noise`."
        )
    signs = _signs(positive, names, labels, start)
    where = _Places.of(observed)

    def misfit_at(vector: np.ndarray) -> np.ndarray:
        predicted = _predicted(solve, problem, names, where, jnp.asarray(vector))
        return np.asarray(predicted) - observed.values

    vector, steps = start.copy(), 0
    for _ in tqdm(range(max_steps), desc="fitting coefficients", disable=not progress):
        steps += 1
        predicted, slopes = map(
            np.asarray, _linearised(solve, problem, names, where, jnp.asarray(vector))
        )
        if not (np.isfinite(predicted).all() and np.isfinite(slopes).all()):
            raise ClosuraxError(
                f"The solution for the coefficients {_listed(labels, vector)} is not finite."
            )
        misfit = predicted - observed.values
        sigma = _noise(misfit, len(vector)) if noise is None else noise
        before = _cost(misfit, sigma, vector - start, precision)
        change, covariance = _step(slopes, misfit, sigma, vector - start, precision)
        size = np.sqrt(np.mean((change / np.sqrt(np.diag(covariance))) ** 2))
        # A coefficient that must stay positive loses half of itself at most.
        shrinking = np.where(signs, -2 * change / vector, 0).max()
        length = 1 / max(1.0, float(shrinking))
        while length >= _SHORTEST and size >= _CLOSE:
            # Not a number is not less.
            after = misfit_at(vector + length * change)
            if _cost(after, sigma, vector + length * change - start, precision) < before:
                vector, misfit = vector + length * change, after
                break
            length /= 2
        else:
            break
    else:
        raise ClosuraxError(
            f"{max_steps} steps do not find the coefficients; the last are "
            f"{_listed(labels, vector)}. Start closer, or give a `prior`."
        )
    fitted = with_coefficients(problem, names, jnp.asarray(vector))
    return CoefficientFit(
        fitted, solve(fitted), estimates(labels, vector, covariance), float(sigma), steps
    )


class _Places(NamedTuple):
    """Where observations are, also by their different times and their different places."""

    points: Array
    field: Array
    times: Array
    at_time: Array
    places: Array
    at_place: Array

    @classmethod
    def of(cls, observed: ObservedPoints) -> "_Places":
        times, at_time = np.unique(observed.points[:, 0], return_inverse=True)
        places, at_place = np.unique(observed.points[:, 1:], axis=0, return_inverse=True)
        arrays = (
            observed.points, observed.field, times, at_time.ravel(), places, at_place.ravel()
        )  # fmt: skip
        return cls(*map(jnp.asarray, arrays))


@eqx.filter_jit
def _predicted(solve, problem, names, where: _Places, vector: Array) -> Array:
    field = solve(with_coefficients(problem, names, vector))
    if not isinstance(field, EvolvedField):
        return at_points(lambda each: field(each[0])[each[1]], (where.points, where.field))
    # Many observations share their times or their places.
    weights = jax.vmap(lambda time: field.at(time).weights)(where.times)
    features = at_points(field.features, where.places)

    def value(each):
        time, place, index, point = each
        found = features[place] @ weights[time, :, index]
        return found if field.offset is None else found + field.offset(point)[index]

    each = (where.at_time, where.at_place, where.field, where.points)
    return at_points(value, each)


@eqx.filter_jit
def _linearised(solve, problem, names, where: _Places, vector: Array) -> tuple[Array, Array]:
    def along(direction: Array) -> tuple[Array, Array]:
        return jax.jvp(
            lambda vector: _predicted(solve, problem, names, where, vector), (vector,), (direction,)
        )

    values, slopes = jax.lax.map(along, jnp.eye(len(vector)), batch_size=min(8, len(vector)))
    return values[0], slopes.T


def estimates(
    labels: Sequence[str],
    values: Float[np.ndarray, " coefficients"],
    covariance: Float[np.ndarray, "coefficients coefficients"],
) -> xr.Dataset:
    """Coefficients with their covariance, by their names."""
    names = list(labels)
    return xr.Dataset(
        {
            "value": ("coefficient", values, {"long_name": "most probable value"}),
            "standard_deviation": ("coefficient", np.sqrt(np.diag(covariance))),
            "covariance": (("coefficient", "other_coefficient"), covariance),
        },
        {"coefficient": names, "other_coefficient": names},
    )


def _deviations(
    prior: Mapping[str, float], names: Sequence[str], labels: Sequence[str]
) -> Float[np.ndarray, " coefficients"]:
    for name, deviation in prior.items():
        if name not in names or not deviation > 0:
            raise ClosuraxError(
                f"`prior` has {name!r}: {deviation}; give positive standard deviations of some of "
                f"{list(names)}."
            )
    return np.asarray([prior.get(label.partition("[")[0], np.inf) for label in labels])


def _signs(
    positive: Sequence[str], names: Sequence[str], labels: Sequence[str], start: np.ndarray
) -> np.ndarray:
    """Which of the coefficients must stay positive."""
    if not set(positive) <= set(names):
        raise ClosuraxError(f"`positive` = {list(positive)} are not all in {list(names)}.")
    signs = np.asarray([label.partition("[")[0] in positive for label in labels])
    if (start[signs] <= 0).any():
        raise ClosuraxError(f"`positive` = {list(positive)} must start positive.")
    return signs


def _step(
    slopes: np.ndarray, misfit: np.ndarray, noise: float, away: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The change of the coefficients, and their covariance."""
    matrix = np.concatenate([slopes / noise, np.diag(np.sqrt(precision))])
    right = -np.concatenate([misfit / noise, np.sqrt(precision) * away])
    size = np.linalg.norm(matrix, axis=0)
    size[size == 0] = 1
    left, singular, rotation = np.linalg.svd(matrix / size, full_matrices=False)
    if singular[-1] <= _RANK_TOLERANCE * singular[0]:
        raise ClosuraxError(
            "The observations do not tell the coefficients apart; ask for fewer of them, or give "
            "a `prior`."
        )
    inverse = rotation.T / singular
    return inverse @ (left.T @ right) / size, inverse @ inverse.T / np.outer(size, size)


def _cost(misfit: np.ndarray, noise: float, away: np.ndarray, precision: np.ndarray) -> float:
    return float(np.sum((misfit / noise) ** 2) + np.sum(precision * away**2))


def _noise(misfit: np.ndarray, unknowns: int) -> float:
    # A fit without any misfit still needs a scale.
    return max(float(np.sqrt(np.sum(misfit**2) / (len(misfit) - unknowns))), 1e-14)


def _listed(labels: Sequence[str], vector: np.ndarray) -> str:
    shown = [f"{label} = {value:.3g}" for label, value in zip(labels, vector, strict=True)]
    return ", ".join(shown[:5]) + (", ..." if len(shown) > 5 else "")

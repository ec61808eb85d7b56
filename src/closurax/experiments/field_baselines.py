"""What Gaussians must be compared with: polynomials, and nothing."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, ChebyshevCavity, LidDrivenCavity
from closurax.surrogates.fields import LinearField, PolynomialFeatures
from closurax.surrogates.training import Collocation, solve_weights
from closurax.surrogates.training.fit_stream_gaussians import stream_polynomials
from closurax.surrogates.training.proportions import stretched

_FAR, _STRETCH = 4.0, 1.4
_TRIAL_COUNT = 400
_BETTER = 0.9


def zero_field(problem: AbstractProblem) -> LinearField:
    """The field that knows nothing."""
    features = PolynomialFeatures(problem.lower, problem.upper, np.zeros((1, problem.dims), int))
    return LinearField(features, jnp.zeros((1, len(problem.fields))))


def fit_polynomials(problem: AbstractProblem, count: int, *, seed: int) -> LinearField:
    """The solution of a problem as a sum of products of Chebyshev polynomials.

    It is found as `fit_gaussians` finds one, with the same solver and as many equations: how many
    polynomials each axis has is chosen by the residual at points that were not fitted, with up to
    400 of them. The points are denser at the sides, as those of Gauss and Lobatto are.

    **Arguments:**

    - `problem`: without periodic axes.
    - `count`: of polynomials.
    - `seed`: of the points.

    Raises `ClosuraxError` for a problem with a periodic axis, and as `solve_weights` does.
    """
    if any(problem.periodic):
        raise ClosuraxError(
            f"{type(problem).__name__} has a periodic axis; polynomials are not periodic."
        )
    trial_count = min(count, _TRIAL_COUNT)
    best = np.ones(problem.dims)
    held_out = Collocation.held_out(problem, seed)
    held_out = held_out.balanced(_unfitted(problem, lowest_degrees(trial_count, best)))

    def residual(aspects: np.ndarray) -> float:
        degrees = lowest_degrees(trial_count, aspects)
        return held_out.not_exceeded(_fit(problem, degrees, seed))

    smallest = residual(best)
    # Of two axes, one grows where the other shrinks.
    axes = range(problem.dims if problem.dims > 2 else problem.dims - 1)
    # Large steps first: between proportions that resolve nothing small ones find no way.
    for stretch in (_FAR, _STRETCH):
        improved = True
        while improved:
            improved = False
            for axis, factor in itertools.product(axes, (stretch, 1 / stretch)):
                trial = stretched(best, axis, factor)
                found = residual(trial)
                if found < _BETTER * smallest:
                    best, smallest, improved = trial, found, True
    return _fit(problem, lowest_degrees(count, best), seed)


def cavity_polynomials(problem: LidDrivenCavity, count: int) -> LinearField:
    """The stream function of a cavity by a square of about `count` polynomials, some of which the
    conditions on the walls determine; see `ChebyshevCavity`."""
    degree = max(round(count**0.5) - 1, 4)
    solver = ChebyshevCavity(float(problem.viscosity), float(problem.lid_speed), degree)
    return stream_polynomials(problem, solver.coefficients())


def lowest_degrees(count: int, aspects: np.ndarray) -> Int[np.ndarray, "{count} dims"]:
    """The degrees of `count` products of polynomials that fill a box in these proportions."""
    sizes = np.ceil(2 * count ** (1 / len(aspects)) * aspects).astype(int) + 1
    candidates = np.indices(sizes).reshape(len(sizes), -1).T
    scaled = (candidates + 1) / aspects
    # The last, unfinished layer of the box begins with its lowest degrees.
    return candidates[np.lexsort((scaled.sum(axis=1), scaled.max(axis=1)))[:count]]


def _fit(problem: AbstractProblem, degrees: np.ndarray, seed: int) -> LinearField:
    field = _unfitted(problem, degrees)
    collocation = Collocation.for_features(problem, len(degrees), seed)
    collocation = eqx.tree_at(
        lambda collocation: (collocation.interior, collocation.faces),
        collocation,
        (
            _denser_at_the_sides(problem, collocation.interior),
            tuple(_denser_at_the_sides(problem, points) for points in collocation.faces),
        ),
    )
    return solve_weights(field, collocation.balanced(field)).field


def _unfitted(problem: AbstractProblem, degrees: np.ndarray) -> LinearField:
    features = PolynomialFeatures(problem.lower, problem.upper, degrees)
    return LinearField(features, jnp.zeros((len(degrees), len(problem.fields))))


def _denser_at_the_sides(problem: AbstractProblem, points):
    lower, upper = jnp.asarray(problem.lower), jnp.asarray(problem.upper)
    part = (points - lower[None]) / (upper - lower)[None]
    # Squares of sines keep the points of a face on it, to the last digit at its lower end.
    return lower[None] + (upper - lower)[None] * jnp.sin(np.pi / 2 * part) ** 2

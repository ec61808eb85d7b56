import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, check_agreement

from ..fields.features import AbstractFeatures
from ..fields.gaussian_features import GaussianFeatures
from ..fields.linear_field import LinearField
from ..fields.periodic_features import periodic_in
from .collocation import Collocation
from .proportions import stretched
from .solve_weights import solve_weights

# Centres lie outside of the box, too, up to this many widths from it: without them the field is
# worst at the sides, by a factor of hundreds.
_MARGIN = 1.2
_OVERLAPS = (1.5, 2.0, 2.5, 3.0)
_FINER = 0.25
# Where the search with all Gaussians starts, at least: few that resolve nothing favour narrow ones.
_LEAST_OVERLAP = 2.0
_STRETCH = 1.4
# So few that they resolve nothing favour wrong proportions.
_LEAST_TRIAL, _MOST_TRIAL = 200, 800


class GaussianFit(NamedTuple):
    """A field of Gaussians, and what is left of the equations at points that were not fitted.

    The residual is `Collocation.not_exceeded`. It tells which of two fits to a problem is better,
    not how large the error is.
    """

    field: LinearField
    residual: float
    overlap: float
    per_axis: tuple[float, ...]
    search: tuple["GaussianFit", ...] = ()
    """The fits on the way: better and better ones of few Gaussians, then of all."""


def fit_gaussians(
    problem: AbstractProblem,
    count: int,
    *,
    seed: int,
    trial_count: int | None = None,
    progress: bool = True,
) -> GaussianFit:
    """The solution of a problem as a sum of Gaussians, widths and all, without a reference.

    The centres are quasi-random. The widths are the spacing along each axis times an overlap.
    How many Gaussians there are along each axis, and the overlap, are chosen with few Gaussians
    by the residual at points that were not fitted, one axis after the other; the overlap once
    more with all of them. The weights are solved for, see `solve_weights`.

    **Arguments:**

    - `problem`: for one or several fields.
    - `count`: of Gaussians. The work grows with its third power.
    - `seed`: of the centres and of the points.
    - `trial_count`: of Gaussians in the search; by default a third of them, but not fewer than
        200 if there are so many, and at most 800.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` for fewer than ten Gaussians, and as `check_agreement` and
    `solve_weights` do.
    """
    if count < 10:
        raise ClosuraxError(f"`count` = {count}: give at least ten Gaussians.")
    check_agreement(problem)
    if trial_count is None:
        trial_count = min(max(count // 3, _LEAST_TRIAL), count, _MOST_TRIAL)
    with tqdm(desc="fitting Gaussians", unit=" fits", disable=not progress) as bar:
        # Other points, and the same scales for all fits, so that they can be compared.
        held_out = Collocation.held_out(problem, seed)
        held_out = held_out.balanced(
            _unfitted(problem, trial_count, 2.0, np.ones(problem.dims), seed)
        )

        def fit(number: int, overlap: float, aspects: np.ndarray) -> GaussianFit:
            found = _fit(problem, number, overlap, aspects, seed, held_out)
            bar.update()
            bar.set_postfix(residual=f"{found.residual:.1e}", gaussians=number)
            return found

        few, aspects = search(lambda *shape: fit(trial_count, *shape), problem.dims)
        start = max(few[-1].overlap, _LEAST_OVERLAP)
        *many, best = climb(lambda overlap: fit(count, overlap, aspects), start)
    return best._replace(search=(*few, *many))


def search(fit, dims: int) -> tuple[list[GaussianFit], np.ndarray]:
    """Better and better fits, and how many Gaussians each axis of the last has, to their mean."""
    aspects = np.ones(dims)
    fits: list[GaussianFit] = []
    for overlap in _OVERLAPS:
        _kept_if_better(fits, fit(overlap, aspects))
    # Of two axes, one grows where the other shrinks.
    axes = range(dims if dims > 2 else dims - 1)
    improved = True
    while improved:
        improved = False
        for axis, factor in itertools.product(axes, (_STRETCH, 1 / _STRETCH)):
            trial = stretched(aspects, axis, factor)
            while _kept_if_better(fits, fit(fits[-1].overlap, trial)):
                aspects, improved = trial, True
                trial = stretched(aspects, axis, factor)
    return fits, aspects


def climb(fit, overlap: float) -> list[GaussianFit]:
    """Better and better fits near this overlap, going on while it gets better."""
    fits = [fit(overlap)]
    for step in (_FINER, -_FINER):
        while _kept_if_better(fits, fit(fits[-1].overlap + step)):
            pass
        if len(fits) > 1:
            break
    return fits


def _kept_if_better(fits: list[GaussianFit], found: GaussianFit) -> bool:
    better = not fits or found.residual < fits[-1].residual
    if better:
        fits.append(found)
    return better


def _fit(
    problem: AbstractProblem,
    count: int,
    overlap: float,
    aspects: np.ndarray,
    seed: int,
    held_out: Collocation,
) -> GaussianFit:
    field = _unfitted(problem, count, overlap, aspects, seed)
    fitted = Collocation.for_features(problem, count, seed).balanced(field)
    solved = solve_weights(field, fitted).field
    numbers = tuple(map(float, per_axis(count, aspects)))
    return GaussianFit(solved, held_out.not_exceeded(solved), overlap, numbers)


def _unfitted(
    problem: AbstractProblem, count: int, overlap: float, aspects: np.ndarray, seed: int
) -> LinearField:
    features = quasi_random_gaussians(problem, count, per_axis(count, aspects), overlap, seed)
    return LinearField(features, jnp.zeros((count, len(problem.fields))))


def per_axis(count: int, aspects: np.ndarray) -> np.ndarray:
    return count ** (1 / len(aspects)) * aspects


def quasi_random_gaussians(
    problem: AbstractProblem, count: int, per_axis: np.ndarray, overlap: float, seed: int
) -> AbstractFeatures:
    """Gaussians whose centres fill the box of a problem, and some way around it.

    **Arguments:**

    - `count`: of Gaussians.
    - `per_axis`: how many there are to be along each axis.
    - `overlap`: their width as a multiple of the spacing.
    """
    lower, upper = np.asarray(problem.lower), np.asarray(problem.upper)
    margin = np.where(problem.periodic, 0.0, _MARGIN)
    # Spacings, and by them the margins, are those of the enlarged box; a margin never takes more
    # than half of the Gaussians of an axis.
    taken = np.minimum(2 * margin * overlap / per_axis, 0.5)
    enlarged = (upper - lower) / (1 - taken)
    widths = overlap * enlarged / per_axis
    beyond = (enlarged - (upper - lower)) / 2
    centres = qmc.scale(
        qmc.Halton(problem.dims, rng=np.random.default_rng(seed)).random(count),
        lower - beyond,
        upper + beyond,
    )
    gaussians = GaussianFeatures(
        jnp.asarray(centres), jnp.asarray(np.broadcast_to(widths, centres.shape).copy())
    )
    return periodic_in(gaussians, problem.lower, problem.upper, problem.periodic)

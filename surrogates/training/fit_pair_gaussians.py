from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, Jet, check_agreement, grid_points

from ..fields.gaussian_features import GaussianFeatures
from ..fields.linear_field import LinearField
from .collocation import Collocation
from .solve_weights import solve_weights

Groups = tuple[tuple[int, ...], ...]

# Centres lie outside of the box, too, by so much of their spacing.
_MARGIN = 0.3
_OVERLAPS = (2.0, 2.5, 3.0, 3.5)
_EQUATIONS_PER_WEIGHT, _FACE_SHARE = 2, 0.5
_LOOKED_AT = 10
# Of the largest interaction: what is below is rounding.
_NONE = 1e-6


class PairGaussiansFit(NamedTuple):
    """A sum of functions of one or two coordinates each, and what is left of the equations.

    The residual is `Collocation.not_exceeded`, at points that were not fitted. One that does not
    fall when `per_axis` rises says that the solution is no such sum.
    """

    field: LinearField
    residual: float
    overlap: float
    groups: Groups
    """The coordinates of each function."""


def fit_pair_gaussians(
    problem: AbstractProblem, per_axis: int, *, seed: int, progress: bool = True
) -> PairGaussiansFit:
    r"""The solution of a problem with many coordinates by Gaussians of two of them at a time,

    $$u(x) = \sum_{(i, j)} \sum_n w_{ijn} \exp\Bigl(-\frac{(x_i - \mu_n)^2}{2 s_i^2}
    - \frac{(x_j - \nu_n)^2}{2 s_j^2}\Bigr),$$

    for those pairs that meet in the data of the problem (`interacting_coordinates`). Gaussians of
    all coordinates fill no box of many dimensions. Those of two do if the solution is a sum of
    functions of two; its smooth part often nearly is (Rabitz and Alis 1999, J. Math. Chem. 25,
    197, on such sums). Centres are on a grid; the overlap of the widths is chosen by the residual
    at other points; the weights are solved for, see `solve_weights`.

    **Arguments:**

    - `problem`: linear, with coefficients that do not depend on the place.
    - `per_axis`: Gaussians along each coordinate, its square for each pair. The work grows with
        the third power of the number of all.
    - `seed`: of the points.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` for fewer than two Gaussians along a coordinate, and as
    `check_agreement` and `solve_weights` do.
    """
    if per_axis < 2:
        raise ClosuraxError(f"`per_axis` = {per_axis}: give at least two Gaussians.")
    check_agreement(problem)
    groups = interacting_coordinates(problem, seed)
    centres, widths = _grids(problem, groups, per_axis)
    count = len(centres)
    face = max(int(_FACE_SHARE * count / problem.dims), 10)
    points = Collocation.quasi_random(problem, _EQUATIONS_PER_WEIGHT * count, face, seed)
    held_out = Collocation.quasi_random(problem, count // 4 + 100, 10, seed + 1000)

    def unfitted(overlap: float) -> LinearField:
        features = GaussianFeatures(jnp.asarray(centres), jnp.asarray(overlap * widths))
        return LinearField(features, jnp.zeros((count, len(problem.fields))))

    # The same scales for all overlaps, so that they can be compared.
    points, held_out = (each.balanced(unfitted(_OVERLAPS[0])) for each in (points, held_out))
    fits: list[PairGaussiansFit] = []
    with tqdm(_OVERLAPS, desc="fitting Gaussians", unit=" fits", disable=not progress) as bar:
        for overlap in bar:
            field = solve_weights(unfitted(overlap), points).field
            fits.append(PairGaussiansFit(field, held_out.not_exceeded(field), overlap, groups))
            bar.set_postfix(residual=f"{fits[-1].residual:.1e}", gaussians=count)
            if fits[-1].residual > min(fit.residual for fit in fits):
                break
    return min(fits, key=lambda fit: fit.residual)


def interacting_coordinates(problem: AbstractProblem, seed: int) -> Groups:
    """The pairs of coordinates that meet in the data of a problem, and the coordinates of none.

    Two coordinates meet if the mixed second derivative of what the equation or a condition leaves
    of the zero field is not zero, at some of a few random points.

    **Arguments:**

    - `problem`: any.
    - `seed`: of the points.
    """
    dims, fields = problem.dims, len(problem.fields)
    zero = Jet(*(jnp.zeros((fields, *shape)) for shape in ((), (dims,), (dims,))))
    lower, upper = np.asarray(problem.lower), np.asarray(problem.upper)
    draws = np.random.default_rng(seed).uniform(lower, upper, (_LOOKED_AT, dims))
    # Faces often have one condition in common.
    residuals = {id(each.residual): each.residual for each in problem.conditions()}

    @jax.jit
    def mixed(points: Float[Array, "points dims"]) -> Float[Array, "points equations dims dims"]:
        def left(point):
            found = [residual(point, zero) for residual in (problem.residual, *residuals.values())]
            return jnp.concatenate(found)

        return jax.lax.map(jax.hessian(left), points)

    largest = np.abs(np.asarray(mixed(jnp.asarray(draws)))).max(axis=(0, 1))
    meet = np.triu(largest > _NONE * max(largest.max(), np.finfo(float).tiny), 1)
    pairs = [tuple(map(int, pair)) for pair in np.argwhere(meet)]
    alone = np.flatnonzero(~(meet.any(axis=0) | meet.any(axis=1)))
    return (*pairs, *((int(axis),) for axis in alone))


def _grids(
    problem: AbstractProblem, groups: Sequence[Sequence[int]], per_axis: int
) -> tuple[Float[np.ndarray, "gaussians dims"], Float[np.ndarray, "gaussians dims"]]:
    """Centres, and widths that are the spacing; infinite along coordinates that do not count."""
    lower, upper = np.asarray(problem.lower), np.asarray(problem.upper)
    spacing = (upper - lower) / (per_axis - 1)
    lines = np.linspace(lower - _MARGIN * spacing, upper + _MARGIN * spacing, per_axis)
    centres, widths = [], []
    for group in groups:
        axes = list(group)
        grid = grid_points([lines[:, axis] for axis in axes]).reshape(-1, len(axes))
        centre = np.zeros((len(grid), problem.dims))
        width = np.full_like(centre, np.inf)
        centre[:, axes] = grid
        width[:, axes] = (lines[1] - lines[0])[axes]
        centres.append(centre)
        widths.append(width)
    return np.concatenate(centres), np.concatenate(widths)

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from tqdm import tqdm

from closurax.physics.errors import BlowUpError, ClosuraxError
from closurax.physics.problems import AbstractEvolution, check_agreement

from ..fields.at_points import at_points
from ..fields.evolved_field import EvolvedField
from ..fields.galerkin_basis import GalerkinBasis
from .evolve_field import evolve
from .place_gaussians import Density

_EXPONENTS = (1 / 3, 1 / 2)
_OVERLAPS = (1.5, 1.75, 2.0)
# Of the runs that only tell where the next one needs its Gaussians.
_ROUGHLY = 1e-6
_TIMES_LOOKED_AT = 10


class GaussianEvolution(NamedTuple):
    """A field of Gaussians with weights of time, and how its centres were chosen.

    The residual is the root mean square of what is left of the equation at points that were not
    used; it tells which of two placements is better, not how large the error is.
    """

    field: EvolvedField
    residual: float
    exponent: float
    overlap: float
    modes: int
    search: tuple["GaussianEvolution", ...] = ()
    """The runs on the way, each with what the one before had shown."""


def evolve_gaussians(
    problem: AbstractEvolution,
    count: int,
    *,
    seed: int,
    trial_count: int | None = None,
    exponents: Sequence[float] = _EXPONENTS,
    saves: int = 201,
    tolerance: float = 1e-8,
    progress: bool = True,
) -> GaussianEvolution:
    """The solution of an evolution problem by Gaussians in space, without a reference.

    A first run, with few Gaussians that are spread evenly, shows where the solution is curved.
    Others put as many there, by several powers of the curvature, then with wider Gaussians as long
    as that helps. The runs with all Gaussians follow the curvature of the best of these, and try
    still wider ones. What decides is the residual at other points.

    **Arguments:**

    - `problem`: with zero values, after its lift, on all faces of space that are not periodic.
    - `count`: of Gaussians.
    - `seed`: of the centres where space has more than one dimension.
    - `trial_count`: of Gaussians in the search; by default half of them.
    - `exponents`: the powers of the curvature that are tried besides an even spread.
    - `saves`: how many times are kept, at equal distances; the field is cubic between them.
    - `tolerance`: of the steps in time.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` for fewer than ten Gaussians or two saves, and as `check_agreement` and
    `evolve` do.
    """
    trial_count = max(count // 2, 10) if trial_count is None else trial_count
    if min(count, trial_count) < 10 or saves < 2:
        raise ClosuraxError(
            f"`count` = {count} and `trial_count` = {trial_count} must be at least 10, and "
            f"`saves` = {saves} at least 2."
        )
    check_agreement(problem)
    times = np.linspace(problem.lower[0], problem.upper[0], saves)

    with tqdm(desc="evolving Gaussians", unit=" runs", disable=not progress) as bar:

        def evolved(density: Density, number: int, overlap: float, exact: float):
            found = evolve_with_density(
                problem, density, number, times, overlap=overlap, seed=seed, tolerance=exact
            )
            bar.update()
            bar.set_postfix(gaussians=number)
            return found

        roughly = max(tolerance, _ROUGHLY)
        even, modes = evolved(Density.uniform(problem), trial_count, _OVERLAPS[0], roughly)
        nodes = _nodes(problem, trial_count)
        held_out = _held_out(problem, even, trial_count)

        def density_of(field: EvolvedField, exponent: float) -> Density:
            return Density.of_curvature(problem, field, nodes, exponent=exponent)

        def run(exponent: float, density: Density, number: int, overlap: float, exact: float):
            field, modes = evolved(density, number, overlap, exact)
            residual = _left(problem, field, *held_out)
            return GaussianEvolution(field, residual, exponent, overlap, modes)

        def widened(start: GaussianEvolution, density: Density, number: int, exact: float):
            runs = [start]
            with contextlib.suppress(BlowUpError):
                for overlap in _OVERLAPS[_OVERLAPS.index(start.overlap) + 1 :]:
                    wider = run(start.exponent, density, number, overlap, exact)
                    if wider.residual >= runs[-1].residual:
                        break
                    runs.append(wider)
            return runs

        def with_all(exponent: float) -> GaussianEvolution:
            few = widened(trials[exponent], densities[exponent], trial_count, roughly)
            density = density_of(few[-1].field, exponent)
            # With more Gaussians, wider ones may be better.
            start = run(exponent, density, count, few[-1].overlap, tolerance)
            *many, best = widened(start, density, count, tolerance)
            first = [trials[0.0]] if exponent else []
            return best._replace(search=(*first, *few, *many))

        # A power of zero is an even density.
        densities = {power: density_of(even, power) for power in (0.0, *exponents)}
        spread_evenly = _left(problem, even, *held_out)
        trials = {0.0: GaussianEvolution(even, spread_evenly, 0.0, _OVERLAPS[0], modes)}
        for exponent in exponents:
            # Too few Gaussians where the solution is even may not reach the end.
            with contextlib.suppress(BlowUpError):
                density = densities[exponent]
                trials[exponent] = run(exponent, density, trial_count, _OVERLAPS[0], roughly)
        *better, last = sorted(trials, key=lambda exponent: trials[exponent].residual)
        for exponent in better:
            with contextlib.suppress(BlowUpError):
                return with_all(exponent)
        return with_all(last)


def evolve_with_density(
    problem: AbstractEvolution,
    density: Density,
    count: int,
    times: Float[np.ndarray, " times"],
    *,
    overlap: float,
    seed: int,
    tolerance: float,
) -> tuple[EvolvedField, int]:
    """`evolve` with so many Gaussians at a density; also returns the number of functions."""
    walls = sorted({condition.axis - 1 for condition in problem.boundary()})
    walls = [axis for axis in walls if not problem.periodic[1 + axis]]
    features = density.place(
        count, overlap=overlap, vanishing=walls, odd=problem.odd_at_walls, seed=seed
    )
    basis = GalerkinBasis.spanning(features, *density.quadrature(_cells(problem, count)))
    field = evolve(problem, features, basis, times, tolerance=tolerance, progress=False)
    return field, basis.modes


def _cells(problem: AbstractEvolution, count: int) -> int:
    """For a bit more than three points to a Gaussian."""
    return int(np.ceil(1.1 * count * 3 ** (2 - problem.dims)))


def _nodes(problem: AbstractEvolution, count: int) -> int:
    return 1001 if problem.dims == 2 else int(3 * count ** (1 / (problem.dims - 1)))


def _held_out(problem: AbstractEvolution, field: EvolvedField, count: int):
    """Points that serve an even and a graded density alike."""
    density = Density.of_curvature(problem, field, _nodes(problem, count), even=0.5)
    return density.quadrature(int(1.1 * _cells(problem, count)))


def _left(
    problem: AbstractEvolution, field: EvolvedField, points: np.ndarray, measure: np.ndarray
) -> float:
    """The root mean square of the residual over some of the times that are kept."""
    chosen = np.linspace(0, len(field.times) - 1, _TIMES_LOOKED_AT + 1)[1:].astype(int)
    squares = _squares(problem, field, field.times[chosen], jnp.asarray(points))
    return float(np.sqrt(np.mean(measure @ np.asarray(squares)) / measure.sum()))


@eqx.filter_jit
def _squares(problem, field, times: Array, places: Array) -> Float[Array, "points times"]:
    def at(place):
        features = field.features.jet(place)

        def square(time):
            point = jnp.concatenate([time[None], place])
            return jnp.sum(problem.residual(point, field.jet_with(features, point)) ** 2)

        return jax.vmap(square)(times)

    return at_points(at, places)

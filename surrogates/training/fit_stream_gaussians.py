"""The flow in a cavity by Gaussians that have its walls built in."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import (
    ChebyshevCavity,
    LidDrivenCavity,
    StreamBasis,
    box_quadrature,
    galerkin_flow,
    residual_size,
)

from ..fields.at_points import compiled_at_points
from ..fields.features import AbstractFeatures
from ..fields.galerkin_basis import GalerkinBasis
from ..fields.linear_field import LinearField
from ..fields.polynomial_features import PolynomialFeatures
from ..fields.vanishing_features import VanishingFeatures
from .fit_gaussians import GaussianFit, climb, per_axis, quasi_random_gaussians, search

# With it the values on the walls are right to 13 digits.
_WALL_DEGREE = 20
_TEST_DEGREE = 36


def fit_stream_gaussians(
    problem: LidDrivenCavity,
    count: int,
    *,
    seed: int,
    trial_count: int | None = None,
    progress: bool = True,
) -> GaussianFit:
    r"""The stream function of a flow in a cavity as a sum of Gaussians, without a reference.

    The Gaussians are multiplied by $(1 - \xi^2)^2 (1 - \eta^2)^2$ with the coordinates $\xi$ and
    $\eta$ from -1 to 1, so that values and slopes vanish on the walls, and added to
    `stream_lift`. The weights are those of Galerkin's method, see `galerkin_flow`. Numbers along
    the axes and overlap are searched for as in `fit_gaussians`, by `residual_size` with test
    functions that are polynomials.

    **Arguments:**

    - `problem`: the cavity.
    - `count`: of Gaussians. The work grows with its third power.
    - `seed`: of the centres.
    - `trial_count`: of Gaussians in the search; by default a third of them.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` for fewer than ten Gaussians, and as `GalerkinBasis.spanning` and
    `galerkin_flow` do.
    """
    if count < 10:
        raise ClosuraxError(f"`count` = {count}: give at least ten Gaussians.")
    trial_count = max(count // 3, 10) if trial_count is None else trial_count
    viscosity, lid_speed = float(problem.viscosity), float(problem.lid_speed)
    lift = stream_lift(problem)
    tests = ChebyshevCavity(viscosity, lid_speed, _TEST_DEGREE)
    held_out, weights_there = box_quadrature((0.0, 0.0), (1.0, 1.0), [3 * _TEST_DEGREE // 2] * 2)
    tested = tests.vanishing(*held_out.T)

    with tqdm(desc="fitting Gaussians", unit=" fits", disable=not progress) as bar:

        def fit(number: int, overlap: float, aspects: np.ndarray) -> GaussianFit:
            numbers = per_axis(number, aspects)
            features = wall_gaussians(problem, number, numbers, overlap, seed)
            # More points than Gaussians, also across the narrow ones near the walls.
            points_per_axis = int(1.5 * np.sqrt(number)) + 16
            points, measure = box_quadrature((0.0, 0.0), (1.0, 1.0), [points_per_axis] * 2)
            basis = GalerkinBasis.spanning(features, points, measure)
            along_x, along_y = np.asarray(basis.gradient)
            laplacian = np.asarray(basis.second.sum(axis=0))
            functions = StreamBasis(along_x, along_y, laplacian)
            known = _flow(lift, points)
            found = galerkin_flow(viscosity, lid_speed, measure, known, functions)
            weights = basis.mixing @ jnp.asarray(found)[:, None]
            field = LinearField(features, weights, lift)
            flow = _flow(field, held_out)
            residual = residual_size(viscosity, weights_there, flow, tested)
            bar.update()
            bar.set_postfix(residual=f"{residual:.1e}", gaussians=number)
            return GaussianFit(field, residual, overlap, tuple(map(float, numbers)))

        few, aspects = search(lambda *shape: fit(trial_count, *shape), problem.dims)
        *many, best = climb(lambda overlap: fit(count, overlap, aspects), few[-1].overlap)
    return best._replace(search=(*few, *many))


def wall_gaussians(
    problem: LidDrivenCavity, count: int, numbers: np.ndarray, overlap: float, seed: int
) -> AbstractFeatures:
    """`quasi_random_gaussians` whose values and slopes vanish on the walls."""
    features = quasi_random_gaussians(problem, count, numbers, overlap, seed)
    for _ in range(2):
        features = VanishingFeatures(features, problem.lower, problem.upper, (0, 1))
    return features


def stream_lift(problem: LidDrivenCavity) -> LinearField:
    """A stream function with the velocity on all walls: `corner_stream` and a polynomial."""
    solver = ChebyshevCavity(float(problem.viscosity), float(problem.lid_speed), _WALL_DEGREE)
    return stream_polynomials(problem, solver.at_the_walls())


def stream_polynomials(
    problem: LidDrivenCavity, coefficients: Float[np.ndarray, "degrees degrees"]
) -> LinearField:
    """The stream function with these coefficients of `ChebyshevCavity`, corners included."""
    degrees = np.indices(coefficients.shape).reshape(2, -1).T
    features = PolynomialFeatures(problem.lower, problem.upper, degrees)
    return LinearField(features, jnp.asarray(coefficients.reshape(-1, 1)), problem.corners)


def _flow(field: LinearField, points: np.ndarray) -> StreamBasis:
    jet = compiled_at_points(field.jet, jnp.asarray(points))
    gradient, second = np.asarray(jet.gradient)[:, 0], np.asarray(jet.second)[:, 0]
    return StreamBasis(gradient[:, 0], gradient[:, 1], second.sum(axis=-1))

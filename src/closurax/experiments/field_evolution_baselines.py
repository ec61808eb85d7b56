"""What evolving Gaussians must be compared with: global modes, and finite differences."""

import math
from collections.abc import Sequence
from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractEvolution, Clustered, Jet, box_quadrature, grid_points
from closurax.surrogates.fields import (
    AbstractFeatures,
    EvolvedField,
    GalerkinBasis,
    PolynomialFeatures,
    VanishingFeatures,
)
from closurax.surrogates.training import evolve

from .field_baselines import lowest_degrees
from .sine_features import SineFeatures

_STENCIL = 5


class FourierFeatures(AbstractFeatures):
    """One, and the cosines and sines of whole numbers of waves on a periodic interval."""

    waves: Float[Array, " pairs"]
    lower: float
    upper: float

    def __call__(self, point: Float[Array, "1"]) -> Float[Array, " features"]:
        return self.jet(point).value

    def jet(self, point: Float[Array, "1"]) -> Jet:
        k = 2 * np.pi / (self.upper - self.lower) * self.waves
        phase = k * (point[0] - self.lower)
        one, zero, cos, sin = jnp.ones(1), jnp.zeros(1), jnp.cos(phase), jnp.sin(phase)
        value = jnp.concatenate([one, cos, sin])
        gradient = jnp.concatenate([zero, -k * sin, k * cos])
        second = jnp.concatenate([zero, -(k**2) * cos, -(k**2) * sin])
        return Jet(value, gradient[:, None], second[:, None])


def evolve_modes(
    problem: AbstractEvolution, count: int, saves: int, tolerance: float
) -> EvolvedField:
    """As `evolve_gaussians` with sines and cosines if space is a periodic interval, with sines
    in clustered coordinates, otherwise with Chebyshev polynomials that vanish on the walls;
    nothing is left to choose.

    An even `count` of sines and cosines is rounded up.
    """
    lower, upper, dims = problem.lower[1:], problem.upper[1:], problem.dims - 1
    if problem.periodic[1:] == (True,):
        features: AbstractFeatures = FourierFeatures(
            jnp.arange(1.0, count // 2 + 1), lower[0], upper[0]
        )
        points = 3 * count
    elif isinstance(problem, Clustered):
        # These are polynomials of the coordinates that are not clustered. Polynomials of the
        # clustered ones would be finer still at the walls, and too stiff.
        numbers = lowest_degrees(count, np.ones(dims)) + 1
        features = SineFeatures(jnp.asarray(numbers), lower, upper)
        points = 3 * int(numbers.max())
    else:
        degrees = lowest_degrees(count, np.ones(dims))
        polynomials = PolynomialFeatures(lower, upper, degrees)
        features = VanishingFeatures(polynomials, lower, upper, tuple(range(dims)))
        points = 2 * int(degrees.max()) + 8
    quadrature = box_quadrature(lower, upper, [points] * dims)
    basis = GalerkinBasis.spanning(features, *quadrature)
    times = np.linspace(problem.lower[0], problem.upper[0], saves)
    return evolve(problem, features, basis, times, tolerance=tolerance)


def evolve_differences(
    problem: AbstractEvolution, count: int, saves: int, tolerance: float, axes: Sequence[np.ndarray]
) -> tuple[Float[np.ndarray, "*grid fields"], int]:
    """The method of lines: differences of fourth order on a uniform grid of about `count` nodes.

    The lift of the problem is subtracted here, too. Splines of fifth degree lead to the test grid.

    **Arguments:**

    - `axes`: of the test grid, in the coordinates of the problem, time first.

    **Returns:**

    The values on the test grid, and the number of nodes.

    Raises `ClosuraxError` for too few nodes for the differences.
    """
    dims = problem.dims - 1
    side = round(count ** (1 / dims))
    if side < 2 * _STENCIL:
        raise ClosuraxError(f"{count} nodes are too few for differences of fourth order.")
    places: list[Any] = []
    firsts: list[Any] = []
    seconds: list[Any] = []
    for low, high, periodic in zip(
        problem.lower[1:], problem.upper[1:], problem.periodic[1:], strict=True
    ):
        nodes = np.linspace(low, high, side + (1 if periodic else 2))
        places.append(nodes[:-1] if periodic else nodes[1:-1])
        for order, found in ((1, firsts), (2, seconds)):
            found.append(_differences(side, nodes[1] - nodes[0], order, periodic))
    points = grid_points(places).reshape(-1, dims)
    identity = np.eye(len(points))
    basis = GalerkinBasis(
        jnp.asarray(points),
        jnp.ones(len(points)),
        jnp.asarray(identity),
        jnp.asarray(np.stack([_along(each, axis, dims) for axis, each in enumerate(firsts)])),
        jnp.asarray(np.stack([_along(each, axis, dims) for axis, each in enumerate(seconds)])),
        jnp.asarray(identity),
    )
    features = PolynomialFeatures(problem.lower[1:], problem.upper[1:], np.zeros((1, dims), int))
    times = np.linspace(problem.lower[0], problem.upper[0], saves)
    field = evolve(problem, features, basis, times, solver=diffrax.Tsit5(), tolerance=tolerance)
    return _interpolated(problem, field, places, axes), len(points)


def _interpolated(problem: AbstractEvolution, field: EvolvedField, axes, test_axes) -> np.ndarray:
    side = len(axes[0])
    values = np.stack([np.asarray(field.at(time).weights) for time in test_axes[0]])
    values = values.reshape(len(values), *[side] * len(axes), -1)
    for index, (nodes, test, periodic) in enumerate(
        zip(axes, test_axes[1:], problem.periodic[1:], strict=True), start=1
    ):
        step = nodes[1] - nodes[0]
        if periodic:
            wrapped = np.concatenate([values, values.take([0], axis=index)], axis=index)
            places = np.append(nodes, nodes[-1] + step)
            spline = scipy.interpolate.make_interp_spline(
                places, wrapped, k=5, axis=index, bc_type="periodic"
            )
        else:
            places = np.concatenate([[nodes[0] - step], nodes, [nodes[-1] + step]])
            padded = np.pad(values, [(int(each == index),) * 2 for each in range(values.ndim)])
            spline = scipy.interpolate.make_interp_spline(places, padded, k=5, axis=index)
        values = spline(test)
    known = _known(field, grid_points(test_axes).reshape(-1, problem.dims))
    return values + known.reshape(values.shape)


def _known(field: EvolvedField, points: np.ndarray) -> np.ndarray:
    import jax

    assert field.offset is not None
    return np.asarray(jax.jit(jax.vmap(field.offset))(jnp.asarray(points)))


def _differences(side: int, step: float, order: int, periodic: bool) -> np.ndarray:
    """The matrix of a derivative at the nodes; without a period zeros are at both ends."""
    size = side if periodic else side + 2
    matrix = np.zeros((size, size))
    half = _STENCIL // 2
    for row in range(size):
        # Near a side the second derivative takes one node more, for the same order.
        width = _STENCIL
        begin = row - half
        if not periodic and not 0 <= begin <= size - width:
            width += order - 1
            begin = min(max(begin, 0), size - width)
        offsets = np.arange(begin, begin + width) - row
        powers = offsets[None] ** np.arange(width)[:, None]
        right = np.zeros(width)
        right[order] = math.factorial(order)
        matrix[row, (row + offsets) % size] += np.linalg.solve(powers.astype(float), right)
    matrix /= step**order
    return matrix if periodic else matrix[1:-1, 1:-1]


def _along(matrix: np.ndarray, axis: int, dims: int) -> np.ndarray:
    """The matrix of the same on all nodes of a grid."""
    total = np.ones((1, 1))
    for each in range(dims):
        total = np.kron(total, matrix if each == axis else np.eye(len(matrix)))
    return total

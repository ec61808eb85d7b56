import dataclasses
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..errors import ClosuraxError
from .box_quadrature import box_quadrature
from .corner_stream import corner_streams

_STEPS = 20
# Newton's method squares the error, so that after such a step only rounding is left.
_CONVERGED = 1e-8
# Of the equations on the walls, some of which follow from others.
_RANK_TOLERANCE = 1e-10
_ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2))


class StreamBasis(NamedTuple):
    r"""Stream functions at the points of a quadrature, with the derivatives that flows take.

    The last axis of the arrays counts the functions; for a single one there is none.
    """

    x: Float[np.ndarray, "points *functions"]
    r"""$\partial_x \psi$."""
    y: Float[np.ndarray, "points *functions"]
    laplacian: Float[np.ndarray, "points *functions"]


@dataclasses.dataclass(frozen=True)
class ChebyshevCavity:
    r"""Steady flow in a unit square under a lid with the velocity $A \sin \pi x$, by polynomials.

    The stream function, with $u = \partial_y \psi$ and $v = -\partial_x \psi$, obeys

    $$\nu \nabla^4 \psi = u \, \partial_x \nabla^2 \psi + v \, \partial_y \nabla^2 \psi.$$

    It is the sum of `corner_streams`, of a polynomial with the values and slopes that these leave
    on the walls, and of polynomials times $(1 - \xi^2)^2 (1 - \eta^2)^2$ with the coordinates
    $\xi = 2 x - 1$ and $\eta = 2 y - 1$, which `galerkin_flow` finds.

    With the defaults, a viscosity of 0.01 and a lid speed of 1 the relative error of the velocity
    is 1e-8, and the work a few seconds; it falls with the eighth power of the degree: 1.7e-5 and
    2.4e-7 with degrees of 20 and 32.

    Raises `ClosuraxError` for a degree below 4, and as `galerkin_flow` does.
    """

    viscosity: float
    lid_speed: float
    degree: int = 44
    """Along each axis."""

    def __post_init__(self):
        if self.degree < 4:
            raise ClosuraxError(f"`degree` = {self.degree} must be at least 4.")

    def __call__(
        self, x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, "points 4"]:
        r"""The velocity $u$, $v$, the stream function $\psi$ and the vorticity at points.

        At the ends of the lid, where the vorticity has no value, it is one of those around.
        """
        coefficients = self.coefficients()
        known = corner_streams(x, y, self.lid_speed)

        def along(p: int, q: int) -> np.ndarray:
            left, right = _polynomials(x, self.degree, p), _polynomials(y, self.degree, q)
            return known[p, q] + np.sum((left @ coefficients) * right, axis=1)

        vorticity = -along(2, 0) - along(0, 2)
        return np.stack([along(0, 1), -along(1, 0), along(0, 0), vorticity], axis=-1)

    def coefficients(self) -> Float[np.ndarray, "degrees degrees"]:
        """Those of the polynomials."""
        points, measure = box_quadrature((0.0, 0.0), (1.0, 1.0), [3 * self.degree // 2] * 2)
        x, y = points.T
        start = self.at_the_walls()
        found = galerkin_flow(
            self.viscosity, self.lid_speed, measure, self.known(x, y, start), self.vanishing(x, y)
        )
        vanishing, count = _vanishing(self.degree), self.degree - 3
        return start + vanishing @ found.reshape(count, count) @ vanishing.T

    def known(
        self,
        x: Float[np.ndarray, " points"],
        y: Float[np.ndarray, " points"],
        start: Float[np.ndarray, "degrees degrees"],
    ) -> StreamBasis:
        """The corners, and the polynomial with these coefficients."""
        total = corner_streams(x, y, self.lid_speed)
        for p, q in _ORDERS:
            left, right = _polynomials(x, self.degree, p), _polynomials(y, self.degree, q)
            total[p, q] = total[p, q] + np.sum((left @ start) * right, axis=1)
        return StreamBasis(total[1, 0], total[0, 1], total[2, 0] + total[0, 2])

    def vanishing(
        self, x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]
    ) -> StreamBasis:
        """All functions whose values and slopes vanish on the walls."""
        combined = _vanishing(self.degree)
        rows = [_products(x, y, self.degree, p, q, combined) for p, q in _ORDERS[1:]]
        return StreamBasis(rows[0], rows[1], rows[2] + rows[3])

    def at_the_walls(self) -> Float[np.ndarray, "degrees degrees"]:
        """The coefficients of a smooth polynomial with what the corners leave on the walls."""
        rows, values = self._walls()
        # Of all that have these values the smallest, where that of a high degree counts more.
        i, j = np.indices((self.degree + 1, self.degree + 1)).reshape(2, -1)
        decaying = 1 / (1.0 + i**2 + j**2) ** 3
        found = scipy.linalg.lstsq(
            rows * decaying, values, cond=_RANK_TOLERANCE, lapack_driver="gelsy"
        )[0]
        return (decaying * found).reshape(self.degree + 1, -1)

    def _walls(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of values and slopes on all walls, and what they are to be."""
        count = 2 * self.degree
        along = (1 - np.cos(np.pi * (np.arange(count) + 0.5) / count)) / 2
        zero, one = np.zeros(count), np.ones(count)
        lid = self.lid_speed * np.sin(np.pi * along)
        walls = [
            (zero, along, (1, 0), zero),
            (one, along, (1, 0), zero),
            (along, zero, (0, 1), zero),
            (along, one, (0, 1), lid),
        ]
        rows, values = [], []
        for x, y, slope, given in walls:
            known = corner_streams(x, y, self.lid_speed)
            for order, value, weight in (((0, 0), zero, 1.0), (slope, given, 1 / self.degree)):
                rows.append(weight * _products(x, y, self.degree, *order))
                values.append(weight * (value - known[order]))
        return np.concatenate(rows), np.concatenate(values)


def galerkin_flow(
    viscosity: float,
    lid_speed: float,
    measure: Float[np.ndarray, " points"],
    known: StreamBasis,
    basis: StreamBasis,
) -> Float[np.ndarray, " functions"]:
    r"""The coefficients of the functions in the stream function of a steady flow.

    For each of them as a test function $\phi$ Newton's method solves

    $$\int \nabla^2 \psi \, (\nu \nabla^2 \phi + u \, \partial_x \phi + v \, \partial_y \phi)
    \, dx \, dy = 0,$$

    the weak form of $\nu \nabla^4 \psi = \nabla \cdot (u, v) \nabla^2 \psi$ where values and slopes
    of $\phi$ vanish on the walls (Galerkin's method). It starts without any of them.

    **Arguments:**

    - `measure`: the weights of the quadrature.
    - `known`: the part of the stream function that is given.
    - `basis`: the functions.

    Raises `ClosuraxError` if the steps do not converge: the viscosity is too small for so few
    functions.
    """
    # Functions of the same energy: the matrix is then as good as that of a flow without inertia.
    sizes = np.sqrt(measure @ basis.laplacian**2)
    x, y, laplacian = (each / sizes for each in basis)
    found = np.zeros(len(sizes))
    for _ in range(_STEPS):
        tested, spin = _tested(viscosity, known, StreamBasis(x, y, laplacian), found)
        slopes = tested.T @ (measure[:, None] * laplacian)
        turned = x.T @ ((measure * spin)[:, None] * y)
        slopes += turned - turned.T
        change = scipy.linalg.solve(slopes, -(tested.T @ (measure * spin)), check_finite=False)
        found = found + change
        if np.sqrt(measure @ ((x @ change) ** 2 + (y @ change) ** 2)) < _CONVERGED * lid_speed:
            return found / sizes
    raise ClosuraxError(
        f"The flow with a viscosity of {viscosity:g} under a lid of speed {lid_speed:g} was not "
        f"found with {len(sizes)} functions; take more of them, or a larger viscosity."
    )


def residual_size(
    viscosity: float, measure: Float[np.ndarray, " points"], flow: StreamBasis, tests: StreamBasis
) -> float:
    r"""How far a flow is from steady, as seen by test functions: the norm

    $$\sup_\phi \frac{\int \nabla^2 \psi \, (\nu \nabla^2 \phi + u \, \partial_x \phi
    + v \, \partial_y \phi)}{\nu \|\nabla^2 \phi\|}.$$

    Without inertia it is that of the error of the vorticity, as far as the tests resolve it.
    """
    tested, spin = _tested(viscosity, flow, tests, None)
    weighted = measure[:, None] * tests.laplacian
    factor = scipy.linalg.cho_factor(tests.laplacian.T @ weighted)
    left = tested.T @ (measure * spin)
    return float(np.sqrt(left @ scipy.linalg.cho_solve(factor, left))) / viscosity


def _tested(
    viscosity: float, known: StreamBasis, basis: StreamBasis, found: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """What the Laplacian of the stream function is multiplied with, and that Laplacian."""
    x, y, spin = known if found is None else (
        given + each @ found for given, each in zip(known, basis, strict=True)
    )  # fmt: skip
    return viscosity * basis.laplacian + y[:, None] * basis.x - x[:, None] * basis.y, spin


def _products(
    x: np.ndarray,
    y: np.ndarray,
    degree: int,
    p: int,
    q: int,
    combined: np.ndarray | None = None,
) -> np.ndarray:
    """A derivative of all products of polynomials, or of combinations of them, at points."""
    left, right = (_polynomials(each, degree, order) for each, order in ((x, p), (y, q)))
    if combined is not None:
        left, right = left @ combined, right @ combined
    return np.einsum("ni,nj->nij", left, right).reshape(len(x), -1)


def _vanishing(degree: int) -> np.ndarray:
    """The coefficients of (1 - xi^2)^2 times each polynomial of a degree lower by 4."""
    # (1 - T_2)^2 / 4 with T_2^2 = (1 + T_4) / 2.
    factor = np.array([3, 0, -4, 0, 1]) / 8
    columns = np.zeros((degree + 1, degree - 3))
    for each in range(degree - 3):
        product = np.polynomial.chebyshev.chebmul(factor, np.eye(degree - 3)[each])
        columns[: len(product), each] = product
    return columns


def _polynomials(x: np.ndarray, degree: int, order: int) -> np.ndarray:
    """A derivative of all polynomials on [0, 1] at points."""
    chebyshev = np.polynomial.chebyshev
    derived = chebyshev.chebder(np.eye(degree + 1), order, scl=2) if order else np.eye(degree + 1)
    return chebyshev.chebvander(2 * x - 1, len(derived) - 1) @ derived

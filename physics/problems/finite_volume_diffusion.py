import dataclasses
import math
from collections.abc import Callable

import numpy as np
import scipy.interpolate
from jaxtyping import Float

from ..errors import ClosuraxError

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class FiniteVolumeDiffusion:
    r"""The solution of $\partial_t u = D \, \nabla \cdot (u \nabla u)$ on $[-1, 1]^2$, with $u = 0$
    on the sides, for times from 0 to 1.

    Finite volumes conserve $u$ but for what leaves through the sides. Their fluxes are
    differences of $u^2$, because $u \nabla u = \nabla u^2 / 2$, and $u^2$ is smooth at the sides,
    where $u$ is a square root. Time steps are those of the Runge-Kutta-Chebyshev method
    (Sommeijer, Shampine and Verwer 1997, J. Comput. Appl. Math. 88, 315), of second order and
    with as many stages as stability needs. Cubic splines in $t$, $x$ and $y$ of $u^2$ lead from
    the saved states to the points, and Richardson's extrapolation from half as many cells raises
    the order.

    With the defaults and the problem `NonlinearDiffusion` the relative error over the box is 4e-6
    against extrapolation from 800 cells, and 1e-6 where $|x|$ and $|y|$ are below 0.9; the
    largest one, in the layers at the sides, is 3e-5. Without extrapolation it is 9.8e-5, 2.5e-5
    and 6.2e-6 for 200, 400 and 800 cells. That takes about 5 seconds.

    Raises `ClosuraxError` for numbers of cells and steps that do not fit each other.
    """

    coefficient: float
    cells: int = 400
    """Along each axis, an even number."""
    steps: int = 400
    saved: int = 50
    """How many of the steps are kept; a divisor of their number."""

    def __post_init__(self):
        if self.cells < 4 or self.saved < 3 or self.steps % self.saved:
            raise ClosuraxError(
                f"At least 4 `cells` and 3 `saved` states are needed, not {self.cells} and "
                f"{self.saved}, and `steps` = {self.steps} must be a multiple of `saved`."
            )

    def __call__(
        self,
        initial: Values,
        t: Float[np.ndarray, " points"],
        x: Float[np.ndarray, " points"],
        y: Float[np.ndarray, " points"],
    ) -> Float[np.ndarray, " points"]:
        """The values in double precision at the points `(t, x, y)`, extrapolated to no spacing.

        `initial` maps `x` and `y` to the state at a time of 0.
        """
        if self.cells % 2:
            raise ClosuraxError(
                f"`cells` = {self.cells} must be even, for half as many to extrapolate from."
            )
        coarse = dataclasses.replace(self, cells=self.cells // 2).interpolated(initial, t, x, y)
        fine = self.interpolated(initial, t, x, y)
        return np.maximum((4 * fine - coarse) / 3, 0)

    def interpolated(
        self,
        initial: Values,
        t: Float[np.ndarray, " points"],
        x: Float[np.ndarray, " points"],
        y: Float[np.ndarray, " points"],
    ) -> Float[np.ndarray, " points"]:
        """As a call, but without the extrapolation, and so of second order in the spacing."""
        # The sides, where u = 0, are nodes too.
        squares = np.pad(self.integrate(initial) ** 2, ((0, 0), (1, 1), (1, 1)))
        places = np.concatenate([[-1.0], self.centres, [1.0]])
        knots = []
        for axis, nodes in enumerate((np.linspace(0, 1, self.saved + 1), places, places)):
            spline = scipy.interpolate.make_interp_spline(nodes, squares, k=3, axis=axis)
            squares = np.moveaxis(spline.c, 0, axis)
            knots.append(spline.t)
        values = scipy.interpolate.NdBSpline(tuple(knots), squares, 3)(np.stack([t, x, y], axis=-1))
        return np.sqrt(np.maximum(values, 0))

    @property
    def centres(self) -> Float[np.ndarray, " cells"]:
        return (2 * np.arange(self.cells) + 1) / self.cells - 1

    def integrate(self, initial: Values) -> Float[np.ndarray, "times cells cells"]:
        """The means of the cells at equidistant times from 0 to 1."""
        u = initial(self.centres[:, None], self.centres)
        by = 1 / self.steps
        # Gershgorin's bound of the eigenvalues; the largest value falls with time.
        fastest = 8 * self.coefficient * u.max() * (self.cells / 2) ** 2
        stages = max(2, math.ceil(math.sqrt(1 + 1.6 * by * fastest)))
        states = [u]
        for step in range(1, self.steps + 1):
            u = _chebyshev_step(self.tendency, u, by, stages)
            if step % (self.steps // self.saved) == 0:
                states.append(u)
        return np.stack(states)

    def tendency(self, u: Float[np.ndarray, "cells cells"]) -> Float[np.ndarray, "cells cells"]:
        squares = u * u
        # Fluxes between cells, and through the sides, half a cell away.
        total = -4 * squares
        total[1:] += squares[:-1]
        total[:-1] += squares[1:]
        total[:, 1:] += squares[:, :-1]
        total[:, :-1] += squares[:, 1:]
        for side in ((0,), (-1,), (slice(None), 0), (slice(None), -1)):
            total[side] -= squares[side]
        return self.coefficient / 2 * (self.cells / 2) ** 2 * total


def _chebyshev_step(
    tendency: Callable[[np.ndarray], np.ndarray], u: np.ndarray, by: float, stages: int
) -> np.ndarray:
    """One step of the damped method of second order; the number of stages is at least 2."""
    w0 = 1 + 2 / 13 / stages**2
    chebyshev = np.polynomial.chebyshev.Chebyshev
    values, slopes, bends = (
        [float(chebyshev.basis(j).deriv(order)(w0)) for j in range(stages + 1)]
        for order in (0, 1, 2)
    )
    w1 = slopes[stages] / bends[stages]
    b = [bends[max(j, 2)] / slopes[max(j, 2)] ** 2 for j in range(stages + 1)]

    start = tendency(u)
    before, now = u, u + b[1] * w1 * by * start
    for j in range(2, stages + 1):
        mu, nu = 2 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2]
        slope = 2 * b[j] * w1 / b[j - 1]
        damped = -(1 - b[j - 1] * values[j - 1]) * slope
        later = (1 - mu - nu) * u + mu * now + nu * before
        later += slope * by * tendency(now) + damped * by * start
        before, now = now, later
    return now

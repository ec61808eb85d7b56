from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..errors import GridMismatchError
from ..scheme import Quantity
from .jet import Jet

PointResidual = Callable[[Float[Array, " dims"], Jet], Float[Array, " equations"]]

# Points in single precision may miss the faces of the box by this much of its length.
_ROUNDING = 1e-6


class Condition(NamedTuple):
    """What holds on one face of the box: an initial or boundary condition."""

    name: str
    axis: int
    """The axis that the face is perpendicular to."""
    upper: bool
    """Whether the face is the one at the upper end of that axis."""
    residual: PointResidual
    """Zero, at a point of the face, for the jet of the solution there."""


class AbstractProblem(eqx.Module):
    r"""A differential equation on a box, with conditions on its faces, and its solution.

    The equation is $r(x, u, \partial_i u, \partial_i^2 u) = 0$. `residual` and those of the
    conditions take one point; `jax.vmap` evaluates them on many. Everything is dimensionless.
    """

    lower: eqx.AbstractVar[tuple[float, ...]]
    """Where the box begins along each axis."""
    upper: eqx.AbstractVar[tuple[float, ...]]
    """Where the box ends along each axis."""

    @property
    @abstractmethod
    def coordinates(self) -> tuple[Quantity, ...]:
        """The names and units of the axes; time, if there is one, is the first."""

    @property
    @abstractmethod
    def fields(self) -> tuple[Quantity, ...]:
        """The names and units of the unknown fields."""

    @abstractmethod
    def residual(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " equations"]:
        """Zero for the jet of the solution at a point inside."""

    @abstractmethod
    def conditions(self) -> tuple[Condition, ...]:
        """What holds on the faces."""

    @abstractmethod
    def solution(
        self, points: Float[np.ndarray, "points dims"]
    ) -> Float[np.ndarray, "points fields"]:
        """The solution in double precision: in closed form, or as accurate as the class says.

        Raises `GridMismatchError` for points with another number of coordinates, or outside of
        the box.
        """

    @property
    def dims(self) -> int:
        """How many coordinates there are."""
        return len(self.lower)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Along which axes the solution is periodic, with the length of the box as its period."""
        return (False,) * self.dims

    def checked(
        self, points: Float[np.ndarray, "points coordinates"]
    ) -> Float[np.ndarray, "points dims"]:
        """The points in double precision, moved into the box if rounding put them outside.

        Raises `GridMismatchError` for points with another number of coordinates, or outside of
        the box.
        """
        name = type(self).__name__
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != self.dims:
            raise GridMismatchError(
                f"`points` has shape {points.shape}, but {name} takes (points, {self.dims}) with "
                f"the coordinates {[quantity.name for quantity in self.coordinates]}."
            )
        lower, upper = np.array(self.lower), np.array(self.upper)
        inside = np.clip(points, lower, upper)
        # Written so that it also refuses what is not a number.
        if not (np.abs(inside - points) <= _ROUNDING * (upper - lower)).all():
            raise GridMismatchError(
                f"`points` leaves the box of {name}, which is {self.lower} to {self.upper}."
            )
        return inside


class AbstractEvolution(AbstractProblem):
    r"""A problem of first order in time, which is its first coordinate,

    $$\partial_t u = F(t, x, u, \partial_i u, \partial_i^2 u), \qquad u(t_0, x) = u_0(x).$$
    """

    @abstractmethod
    def tendency(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " fields"]:
        """The change with time, for a jet along the axes of space alone."""

    @abstractmethod
    def initial(self, place: Float[Array, " space"]) -> Float[Array, " fields"]:
        """The state at the start, at a point in space."""

    @abstractmethod
    def boundary(self) -> tuple[Condition, ...]:
        """The conditions on the faces of space."""

    @property
    def is_linear(self) -> bool:
        """Whether the tendency is linear in the jet, with coefficients that do not change."""
        return False

    @property
    def constant_diffusivity(self) -> float | Float[Array, ""] | None:
        """The diffusivity where that is the same everywhere, for solvers that treat it apart."""
        return None

    @property
    def odd_at_walls(self) -> bool:
        """Whether what the lift leaves goes on smoothly behind each wall, with the other sign."""
        return False

    def lift(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        """A function of time and space with the initial and the boundary values of the solution.

        What is left to solve for starts from zero and has homogeneous conditions. This one is the
        initial state at all times.
        """
        return self.initial(point[1:])

    def residual(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " fields"]:
        in_space = Jet(jet.value, jet.gradient[:, 1:], jet.second[:, 1:])
        return jet.gradient[:, 0] - self.tendency(point, in_space)

    def conditions(self) -> tuple[Condition, ...]:
        def start(point, jet):
            return jet.value - self.initial(point[1:])

        return (Condition("initial state", 0, False, start), *self.boundary())

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError
from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractEvolution, Condition


class Clustered(AbstractEvolution):
    r"""An evolution problem in coordinates $\xi$ of space that are finer at the walls,

    $$x_d = \frac{l_d + u_d}{2} + \frac{u_d - l_d}{2} \sin \frac{\pi \xi_d}{2},
    \qquad -1 \le \xi_d \le 1.$$

    The distance from a wall is quadratic in $\xi$ there: what is a square root of the distance in
    $x$ is a smooth function of $\xi$. Points are taken in these coordinates, times as they are.
    """

    problem: AbstractEvolution
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, problem: AbstractEvolution):
        """**Arguments:**

        - `problem`: without a periodic axis.

        Raises `ClosuraxError` for a problem with one.
        """
        if any(problem.periodic):
            raise ClosuraxError(
                f"{type(problem).__name__} has a periodic axis, which has no walls to cluster at."
            )
        self.problem = problem
        space = problem.dims - 1
        self.lower = (problem.lower[0], *(-1.0,) * space)
        self.upper = (problem.upper[0], *(1.0,) * space)

    @property
    def coordinates(self) -> tuple[Quantity, ...]:
        time, *space = self.problem.coordinates
        return (time, *(Quantity(f"xi_{quantity.name}", "1") for quantity in space))

    @property
    def fields(self) -> tuple[Quantity, ...]:
        return self.problem.fields

    @property
    def odd_at_walls(self) -> bool:
        """A square root of the distance is linear in the distance in these coordinates."""
        return True

    def tendency(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " fields"]:
        return self.problem.tendency(self.physical(point), self._in_space(point[1:], jet))

    def initial(self, place: Float[Array, " space"]) -> Float[Array, " fields"]:
        return self.problem.initial(self._physical_place(place))

    def boundary(self) -> tuple[Condition, ...]:
        def moved(condition: Condition) -> Condition:
            def residual(point, jet):
                # Slopes across a wall are infinite, and what holds there are values.
                return condition.residual(self.physical(point), jet)

            return condition._replace(residual=residual)

        return tuple(moved(condition) for condition in self.problem.boundary())

    def lift(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        return self.problem.lift(self.physical(point))

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points _"]:
        points = self.checked(points)
        middle, half = self._box()
        places = middle + half * np.sin(np.pi / 2 * points[:, 1:])
        return self.problem.solution(np.concatenate([points[:, :1], places], axis=1))

    def physical(self, point: Float[Array, " dims"]) -> Float[Array, " dims"]:
        """The point in the coordinates of the problem itself."""
        return jnp.concatenate([point[:1], self._physical_place(point[1:])])

    def from_physical(
        self, axes: Sequence[Float[np.ndarray, " _"]]
    ) -> list[Float[np.ndarray, " _"]]:
        """The axes of a grid in space in these coordinates, for those of the problem itself."""
        parts = [
            np.clip((axis - middle) / half, -1, 1)
            for axis, middle, half in zip(axes, *self._box(), strict=True)
        ]
        return [2 / np.pi * np.arcsin(part) for part in parts]

    def _physical_place(self, place: Array) -> Array:
        middle, half = self._box()
        return middle + half * jnp.sin(np.pi / 2 * place)

    def _in_space(self, place: Array, jet: Jet) -> Jet:
        """The jet along the axes of the problem itself, by the chain rule."""
        _, half = self._box()
        slope = half * np.pi / 2 * jnp.cos(np.pi / 2 * place)
        bend = -half * (np.pi / 2) ** 2 * jnp.sin(np.pi / 2 * place)
        gradient = jet.gradient / slope[None]
        second = (jet.second - bend[None] * gradient) / slope[None] ** 2
        return Jet(jet.value, gradient, second)

    def _box(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = np.array(self.problem.lower[1:]), np.array(self.problem.upper[1:])
        return (lower + upper) / 2, (upper - lower) / 2

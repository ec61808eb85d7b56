import dataclasses
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError
from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractProblem, Condition, PointResidual


class Parametric(AbstractProblem):
    """A problem for a range of values of one of its coefficients, which is its last coordinate.

    A field that solves it is the solution for all of them at once.
    """

    problem: AbstractProblem
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    ends: tuple[float, float] = eqx.field(static=True)

    def __init__(self, problem: AbstractProblem, name: str, low: float, high: float):
        """**Arguments:**

        - `problem`: for one value.
        - `name`: of the coefficient, an attribute of the problem.
        - `low`, `high`: the ends of the range.

        Raises `ClosuraxError` for an attribute that is no number, or an empty range.
        """
        value: Any = getattr(problem, name, None)
        if not eqx.is_inexact_array_like(value) or np.ndim(value) != 0:
            raise ClosuraxError(
                f"{type(problem).__name__} has no coefficient {name!r}: give the name of an "
                "attribute that is a floating-point number."
            )
        if not low < high:
            raise ClosuraxError(f"The range of {name!r} from {low} to {high} is empty.")
        self.problem, self.name, self.ends = problem, name, (float(low), float(high))
        self.lower, self.upper = (*problem.lower, float(low)), (*problem.upper, float(high))

    @property
    def coordinates(self) -> tuple[Quantity, ...]:
        return (*self.problem.coordinates, Quantity(self.name, "1"))

    @property
    def fields(self) -> tuple[Quantity, ...]:
        return self.problem.fields

    @property
    def periodic(self) -> tuple[bool, ...]:
        return (*self.problem.periodic, False)

    def at(self, value: float | Float[Array, ""]) -> AbstractProblem:
        """The problem for one value of the coefficient."""
        changed: dict[str, Any] = {self.name: value}
        return dataclasses.replace(self.problem, **changed)

    def residual(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " equations"]:
        return self._within(self.at(point[-1]).residual, point, jet)

    def conditions(self) -> tuple[Condition, ...]:
        def for_value(index: int) -> PointResidual:
            def residual(point, jet):
                condition = self.at(point[-1]).conditions()[index]
                return self._within(condition.residual, point, jet)

            return residual

        return tuple(
            condition._replace(residual=for_value(index))
            for index, condition in enumerate(self.problem.conditions())
        )

    def solution(
        self, points: Float[np.ndarray, "points dims"]
    ) -> Float[np.ndarray, "points fields"]:
        points = self.checked(points)
        solution = np.empty((len(points), len(self.fields)))
        values, which = np.unique(points[:, -1], return_inverse=True)
        for index, value in enumerate(values):
            here = which == index
            solution[here] = self.at(float(value)).solution(points[here, :-1])
        return solution

    def _within(self, residual: PointResidual, point: Array, jet: Jet) -> Array:
        return residual(point[:-1], Jet(jet.value, jet.gradient[:, :-1], jet.second[:, :-1]))

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError
from ..scheme import Quantity
from .jet import Jet
from .problem import AbstractProblem, Condition


class WithoutConditions(AbstractProblem):
    """A problem without some of its conditions, which something else makes up for.

    That may be observations, in the place of the initial state for example. The solution is that
    of the whole problem.
    """

    problem: AbstractProblem
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, problem: AbstractProblem, names: Sequence[str]):
        """**Arguments:**

        - `problem`: with all conditions.
        - `names`: of those to leave out, such as `"initial state"`.

        Raises `ClosuraxError` for a name that no condition has.
        """
        known = [condition.name for condition in problem.conditions()]
        for name in names:
            if name not in known:
                raise ClosuraxError(
                    f"{type(problem).__name__} has no condition {name!r}; it has {known}."
                )
        self.problem, self.names = problem, tuple(names)
        self.lower, self.upper = problem.lower, problem.upper

    @property
    def coordinates(self) -> tuple[Quantity, ...]:
        return self.problem.coordinates

    @property
    def fields(self) -> tuple[Quantity, ...]:
        return self.problem.fields

    @property
    def periodic(self) -> tuple[bool, ...]:
        return self.problem.periodic

    def residual(self, point: Float[Array, " dims"], jet: Jet) -> Float[Array, " equations"]:
        return self.problem.residual(point, jet)

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(each for each in self.problem.conditions() if each.name not in self.names)

    def solution(
        self, points: Float[np.ndarray, "points dims"]
    ) -> Float[np.ndarray, "points fields"]:
        return self.problem.solution(points)

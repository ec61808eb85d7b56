from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from .jet import Jet
from .problem import AbstractEvolution, Condition

PointValues = Callable[[Float[Array, " dims"]], Float[Array, " fields"]]


def wall_conditions(
    axes: Sequence[int], values: PointValues | None = None
) -> tuple[Condition, ...]:
    """All fields take given values on both faces of each of these axes.

    **Arguments:**

    - `axes`: their indices.
    - `values`: of all fields, as a function of the point; none are zero.
    """

    def difference(point: Float[Array, " dims"], jet: Jet) -> Float[Array, " fields"]:
        return jet.value if values is None else jet.value - values(point)

    return tuple(
        Condition(f"wall {side} of axis {axis}", axis, upper, difference)
        for axis in axes
        for side, upper in (("below", False), ("above", True))
    )


def lift_to_walls(
    problem: AbstractEvolution, values: PointValues, point: Float[Array, "3"]
) -> Float[Array, " fields"]:
    """The initial state, and what given values on the walls add to it, `blended` between them.

    **Arguments:**

    - `problem`: in two dimensions of space.
    - `values`: of all fields on the walls, as a function of the point.
    - `point`: where.
    """

    def added(point: Float[Array, "3"]) -> Float[Array, " fields"]:
        return values(point) - problem.initial(point[1:])

    return problem.initial(point[1:]) + blended(added, point, problem.lower, problem.upper)


def blended(
    values: PointValues, point: Float[Array, "3"], lower: Sequence[float], upper: Sequence[float]
) -> Float[Array, " fields"]:
    """A function of time and two axes of space that has given values on all four walls.

    Between opposite walls it is linear (Gordon and Hall 1973, Numer. Math. 21, 109, equation 2).

    **Arguments:**

    - `values`: on the walls, as a function of the point.
    - `point`: where.
    - `lower`, `upper`: the ends of the box, those of time first.
    """
    ends = [(lower[axis], upper[axis]) for axis in (1, 2)]
    shares = []
    for axis, (low, high) in enumerate(ends, start=1):
        part = (point[axis] - low) / (high - low)
        shares.append((1 - part, part))
    total = jnp.zeros_like(values(point))
    for end in (0, 1):
        total = total + shares[0][end] * values(point.at[1].set(ends[0][end]))
        total = total + shares[1][end] * values(point.at[2].set(ends[1][end]))
        for other in (0, 1):
            corner = point.at[1].set(ends[0][end]).at[2].set(ends[1][other])
            total = total - shares[0][end] * shares[1][other] * values(corner)
    return total

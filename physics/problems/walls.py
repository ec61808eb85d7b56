from collections.abc import Callable, Sequence

from jaxtyping import Array, Float

from .jet import Jet
from .problem import Condition

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

"""C for what convection must fulfil."""

from collections.abc import Mapping
from typing import Final

from closurax.physics.errors import ClosuraxError

from ..columns import (
    AbstractConstraint,
    ClosedMomentum,
    ClosedWater,
    EnoughVapour,
    OnlyBelowTop,
    OnlyWhereTriggered,
    PositiveCondensate,
    PositiveRain,
)

_CALLS: Final[Mapping[type, str]] = {
    PositiveRain: "positive_rain(p);",
    PositiveCondensate: "positive_condensate(p);",
    OnlyWhereTriggered: "only_where_triggered(p, d);",
    OnlyBelowTop: "only_below_top(p, d);",
    ClosedMomentum: "closed_momentum(p, r);",
    ClosedWater: "closed_water(p, r);",
    EnoughVapour: "enough_vapour(p, r);",
}


def constraints_source(constraints: tuple[AbstractConstraint, ...]) -> str:
    """Defines `constrain`, which calls one function for each constraint, in their order.

    Raises `ClosuraxError` if there is no C for a constraint.
    """
    for constraint in constraints:
        if type(constraint) not in _CALLS:
            raise ClosuraxError(
                f"{type(constraint).__name__} cannot be exported to C; constraints that can: "
                f"{', '.join(cls.__name__ for cls in _CALLS)}."
            )
    calls = "".join(f"  {_CALLS[type(constraint)]}\n" for constraint in constraints)
    return (
        "static void constrain(physical *p, const decision *d, const reservoir *r) {\n"
        f"  (void)p, (void)d, (void)r;\n{calls}}}\n"
    )

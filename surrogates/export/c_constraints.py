"""C for what convection must fulfil."""

from collections.abc import Mapping
from typing import Final

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
from .c_part import c_part

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
    calls = "".join(
        f"  {c_part(_CALLS, constraint, 'constraints')}\n" for constraint in constraints
    )
    return (
        "static void constrain(physical *p, const decision *d, const reservoir *r) {\n"
        f"  (void)p, (void)d, (void)r;\n{calls}}}\n"
    )

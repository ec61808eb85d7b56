from collections.abc import Iterable

from ..errors import SchemeMismatchError
from ..scheme import Quantity


def union(first: Iterable[Quantity], second: Iterable[Quantity], who: str) -> tuple[Quantity, ...]:
    """Quantities that are in either, in order.

    Raises `SchemeMismatchError`, naming `who`, if a quantity is in both with different units.
    """
    units = dict(first)
    for name, unit in second:
        if units.setdefault(name, unit) != unit:
            raise SchemeMismatchError(
                f"{who} has {name!r} in {units[name]!r} and in {unit!r}; "
                "convert inside one of the schemes."
            )
    return tuple(Quantity(name, unit) for name, unit in units.items())

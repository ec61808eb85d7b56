from collections.abc import Mapping
from typing import Any, TypeVar

from closurax.physics.errors import ClosuraxError

Source = TypeVar("Source")


def c_part(sources: Mapping[type, Source], part: Any, kind: str) -> Source:
    """What there is in C for a part of a scheme, by its class.

    Raises `ClosuraxError` if there is nothing for this class; `kind` names such parts in the
    plural.
    """
    if type(part) not in sources:
        raise ClosuraxError(
            f"{type(part).__name__} cannot be exported to C; {kind} that can: "
            f"{', '.join(cls.__name__ for cls in sources)}."
        )
    return sources[type(part)]

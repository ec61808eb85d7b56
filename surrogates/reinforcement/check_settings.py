from collections.abc import Sequence
from typing import Any

from closurax.physics.errors import ClosuraxError


def check_settings(
    settings: Any,
    *,
    at_least_one: Sequence[str],
    positive: Sequence[str],
    fractions: Sequence[str],
) -> None:
    """Raises `ClosuraxError` unless the settings with these names are what they must be."""
    for name in at_least_one:
        if getattr(settings, name) < 1:
            raise ClosuraxError(f"`{name}` must be at least 1, not {getattr(settings, name)}.")
    for name in positive:
        if not getattr(settings, name) > 0:
            raise ClosuraxError(f"`{name}` must be positive, not {getattr(settings, name)}.")
    for name in fractions:
        if not 0 <= getattr(settings, name) <= 1:
            raise ClosuraxError(
                f"`{name}` must lie between 0 and 1, not {getattr(settings, name)}."
            )

"""The choice between a local and a domain-mean eddy viscosity or coefficient."""

from ..errors import ClosuraxError

AVERAGES = ("local", "domain")


def check_average(who: str, average: str) -> None:
    """Raises `ClosuraxError`, naming the closure `who`, unless `average` is one of `AVERAGES`."""
    if average not in AVERAGES:
        raise ClosuraxError(f"{who}: `average` is {average!r}; it may be 'local' or 'domain'.")

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax


def shortest_seconds(work: Callable[[], Any], runs: int) -> float:
    """The shortest of some timings, after a run that compiles."""
    return shortest_of_each({"": work}, runs)[""]


def shortest_of_each(works: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The same for several, all in turn, so that what else the machine does meets all alike."""
    for work in works.values():
        jax.block_until_ready(work())
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            jax.block_until_ready(work())
            seconds[name].append(time.perf_counter() - started)
    return {name: min(values) for name, values in seconds.items()}

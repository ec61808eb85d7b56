import time
from collections.abc import Callable
from typing import Any

import jax


def shortest_seconds(work: Callable[[], Any], runs: int) -> float:
    """The shortest of some timings, after a run that compiles."""
    jax.block_until_ready(work())
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        jax.block_until_ready(work())
        seconds.append(time.perf_counter() - started)
    return min(seconds)

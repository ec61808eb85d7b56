"""How long fits take, and what several of them have in common."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

# Of which the worst seed is told, too.
_WITH_WORST = ("relative_l2", "max_error", "residual", "seconds", "cpu_seconds")


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What `work` returns, and the seconds it took: of the clock and of the processor."""
    started, used = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    return result, {"seconds": seconds, "cpu_seconds": cpu_seconds}


def summary_over_seeds(each: list[dict[str, float]]) -> dict[str, float]:
    """The mean over the seeds, and of what may be bad also the worst."""
    summary = {}
    for key in each[0]:
        values = [scores[key] for scores in each]
        summary[key] = float(np.mean(values))
        if key in _WITH_WORST:
            summary[f"{key}_worst"] = max(values)
    return summary

"""Interleaved timings: every candidate in turn, many short rounds, the median of each."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np


def interleaved_medians(
    candidates: Mapping[str, Callable[[], Any]], rounds: int = 31
) -> dict[str, float]:
    """Median seconds of each candidate; a drift of the machine hits all of them alike."""
    for run in candidates.values():
        jax.block_until_ready(run())
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}

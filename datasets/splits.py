from collections.abc import Sequence

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError


def split_by_time_block(
    dataset: xr.Dataset,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    gap: float = 0.0,
) -> tuple[xr.Dataset, ...]:
    """Cuts a series into contiguous blocks in time, for training, validation and test.

    Neighbours in time are nearly the same field, so a shuffled split would test on what was
    trained on. The order is kept, and samples in a gap between blocks are dropped.

    **Arguments:**

    - `dataset`: with an increasing coordinate `time`.
    - `fractions`: of the time that the gaps leave, one for each block; their sum is 1.
    - `gap`: between the last sample of a block and the first one of the next, at least, in
        the units of `time`. A few decorrelation times make the blocks independent.

    Raises `DataError` if a block would hold no sample.
    """
    if min(fractions, default=0) <= 0 or not np.isclose(sum(fractions), 1):
        raise DataError(f"`fractions` must be positive and add up to 1, not {tuple(fractions)}.")
    if gap < 0:
        raise DataError(f"`gap` must not be negative: {gap}.")
    if "time" not in dataset.coords:
        raise DataError("The Dataset has no coordinate 'time' to split by; assign one.")
    time = dataset["time"].values.astype(float)
    if time.ndim != 1 or time.size == 0 or not (np.diff(time) > 0).all():
        raise DataError("'time' must increase strictly; sort the samples.")
    available = time[-1] - time[0] - gap * (len(fractions) - 1)
    blocks = []
    start = time[0]
    for index, fraction in enumerate(fractions):
        last = index == len(fractions) - 1
        end = np.inf if last else start + fraction * available
        inside = (time >= start) & (time < end)
        if not inside.any():
            raise DataError(
                f"Block {index} of {len(fractions)} would be empty: {time.size} samples over "
                f"{time[-1] - time[0]:g} with gaps of {gap:g}; use more samples, a smaller gap "
                "or fewer blocks."
            )
        blocks.append(dataset.isel(time=slice(*_range(inside))))
        start = end + gap
    return tuple(blocks)


def _range(inside: np.ndarray) -> tuple[int, int]:
    indices = np.flatnonzero(inside)
    return int(indices[0]), int(indices[-1]) + 1

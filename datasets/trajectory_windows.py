"""Windows of trajectories, to learn from what comes after what."""

import dataclasses
import operator
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from closurax.physics.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class TrajectoryWindows:
    """Pairs of consecutive input and target steps, cut from trajectories when indexed.

    `windows[i]` is `{"input": ..., "target": ...}` with the shapes `(input_steps, *points)` and
    `(output_steps, *points)`; for a slice or an array of indices, such as a row of
    `Batches.indices`, they have a leading axis of windows. `windows[:]` is what `fit` takes:
    everything at once. Windows are ordered by sample and, within a sample, by time.

    `windows` makes and checks it.
    """

    trajectories: xr.DataArray
    input_steps: int
    output_steps: int
    stride: int

    @property
    def per_sample(self) -> int:
        """The number of windows in a trajectory."""
        spare = self.trajectories.shape[1] - self.input_steps - self.output_steps
        return spare // self.stride + 1

    def __len__(self) -> int:
        return self.trajectories.shape[0] * self.per_sample

    @property
    def samples(self) -> Int[np.ndarray, " window"]:
        """Which trajectory each window is from, to split by: windows of one are alike."""
        return np.repeat(np.arange(self.trajectories.shape[0]), self.per_sample)

    def __getitem__(self, index: Any) -> dict[str, Float[np.ndarray, "..."]]:
        if isinstance(index, slice | list | np.ndarray):
            chosen = np.arange(len(self))[index]
            steps = self.input_steps + self.output_steps
            cut = np.empty((len(chosen), steps, *self.trajectories.shape[2:]), self.dtype)
            for place, position in enumerate(chosen.tolist()):
                cut[place] = self._window(position)
            return {"input": cut[:, : self.input_steps], "target": cut[:, self.input_steps :]}
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"There is no window {position}; there are {len(self)}.")
        window = self._window(position % len(self))
        return {"input": window[: self.input_steps], "target": window[self.input_steps :]}

    @property
    def dtype(self) -> np.dtype:
        return self.trajectories.dtype

    def _window(self, position: int) -> Float[np.ndarray, "..."]:
        sample, number = divmod(position, self.per_sample)
        start = number * self.stride
        end = start + self.input_steps + self.output_steps
        return self.trajectories[sample, start:end].values


def windows(
    dataset: xr.Dataset,
    variable: str,
    input_steps: int = 1,
    output_steps: int = 1,
    stride: int = 1,
) -> TrajectoryWindows:
    """Windows of trajectories for autoregressive training, cut when they are asked for.

    **Arguments:**

    - `dataset`: such as `open_trajectories` returns; `dataset.load()` keeps it in memory.
    - `variable`: floating-point, with the leading dims `sample` and `time`.
    - `input_steps`, `output_steps`: consecutive times that a surrogate sees, and that it is to
        predict.
    - `stride`: times between the starts of neighbouring windows.

    Raises `DataError` for a missing variable, other dims, a trajectory that is shorter than a
    window, and values that are not finite.
    """
    for name, count in (
        ("input_steps", input_steps),
        ("output_steps", output_steps),
        ("stride", stride),
    ):
        if count < 1:
            raise DataError(f"`{name}` must be at least 1, not {count}.")
    if variable not in dataset.data_vars:
        raise DataError(
            f"The Dataset has no variable {variable!r}; it has "
            f"{sorted(map(str, dataset.data_vars))}. Name one of them."
        )
    trajectories = dataset[variable]
    if trajectories.dims[:2] != ("sample", "time") or trajectories.dtype.kind != "f":
        raise DataError(
            f"{variable!r} is of type {trajectories.dtype} with dims {trajectories.dims}, expected "
            "floating-point numbers with the leading dims ('sample', 'time'); convert or transpose."
        )
    n_samples, n_times = trajectories.shape[:2]
    if n_samples == 0:
        raise DataError(f"{variable!r} holds no trajectories: 'sample' is empty.")
    if input_steps + output_steps > n_times:
        raise DataError(
            f"A window of {input_steps} + {output_steps} steps is longer than the trajectories of "
            f"{variable!r}, which have {n_times} times; shorten it or generate longer ones."
        )
    for sample in range(n_samples):
        finite = np.isfinite(trajectories[sample].values).reshape(n_times, -1).all(axis=1)
        if not finite.all():
            raise DataError(
                f"{variable!r} is NaN or infinite in sample {sample} at time index "
                f"{int(np.argmin(finite))}; remove or repair that sample."
            )
    return TrajectoryWindows(trajectories, input_steps, output_steps, stride)

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
    `Batches.indices`, they have a leading axis of windows. `fit` takes `windows[:]`, everything
    at once, or `windows.lazy()`, of which it reads batch after batch. Windows are ordered by
    sample and, within a sample, by time.

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
            cut = self._steps(chosen, 0, self.input_steps + self.output_steps)
            return {"input": cut[:, : self.input_steps], "target": cut[:, self.input_steps :]}
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"There is no window {position}; there are {len(self)}.")
        return {name: steps[0] for name, steps in self[[position]].items()}

    @property
    def dtype(self) -> np.dtype:
        return self.trajectories.dtype

    def lazy(self) -> dict[str, "WindowSteps"]:
        """`windows[:]` with its arrays read when they are indexed, for `fit`.

        The file must stay open.
        """
        end = self.input_steps + self.output_steps
        return {
            "input": WindowSteps(self, 0, self.input_steps),
            "target": WindowSteps(self, self.input_steps, end),
        }

    def _steps(
        self, chosen: Int[np.ndarray, " window"], first: int, end: int
    ) -> Float[np.ndarray, "window step *points"]:
        """The steps from `first` until `end` of windows."""
        cut = np.empty((len(chosen), end - first, *self.trajectories.shape[2:]), self.dtype)
        samples, numbers = np.divmod(chosen, self.per_sample)
        starts = numbers * self.stride + first
        # What neighbouring windows share is read once.
        gaps = np.diff(starts)
        joined = (np.diff(samples) == 0) & (gaps >= 0) & (gaps <= end - first)
        for places in np.split(np.arange(len(chosen)), np.flatnonzero(~joined) + 1):
            if not places.size:
                continue
            begin = starts[places[0]]
            span = slice(begin, starts[places[-1]] + end - first)
            read = self.trajectories[int(samples[places[0]]), span].values
            for place in places:
                cut[place] = read[starts[place] - begin :][: end - first]
        return cut


@dataclasses.dataclass(frozen=True, eq=False)
class WindowSteps:
    """Some of the steps of all windows, as an array that is read when it is indexed.

    It has the `shape`, `(window, step, *points)`, and the `dtype` of the array, and takes a slice
    or an array of indices of windows. `TrajectoryWindows.lazy` makes it.
    """

    windows: TrajectoryWindows
    first: int
    end: int

    @property
    def shape(self) -> tuple[int, ...]:
        points = self.windows.trajectories.shape[2:]
        return (len(self.windows), self.end - self.first, *points)

    @property
    def dtype(self) -> np.dtype:
        return self.windows.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: Any) -> Float[np.ndarray, "window step *points"]:
        return self.windows._steps(np.arange(len(self))[index], self.first, self.end)


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

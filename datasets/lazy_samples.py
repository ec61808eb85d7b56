"""Samples of fields that are read from a file when they are asked for."""

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Num

from closurax.physics.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class LazySamples:
    """Fields as one array `(sample, channel, *points)` whose values are read when it is indexed.

    It has the `shape` and `dtype` of that array, and `samples[index]` is the array for one index,
    a slice, or an array of indices of samples. `fit` takes it in place of an array, and reads
    batch after batch.

    `lazy_samples` makes and checks it.
    """

    fields: tuple[xr.DataArray, ...]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        first = self.fields[0].shape
        return (first[0], len(self.fields), *first[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Num[np.ndarray, "..."]:
        if not isinstance(index, slice | list | np.ndarray):
            position = operator.index(index)
            if not -len(self) <= position < len(self):
                raise IndexError(f"There is no sample {position}; there are {len(self)}.")
            return self[[position]][0]
        chosen = np.arange(len(self))[index]
        values = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        if chosen.size:
            adjoining = (np.diff(chosen) == 1).all()
            wanted = slice(chosen[0], chosen[-1] + 1) if adjoining else chosen
            for channel, field in enumerate(self.fields):
                values[:, channel] = field[wanted].values
        return values


def lazy_samples(
    dataset: xr.Dataset, names: Sequence[str], *, sample: str = "sample", dtype: Any = np.float32
) -> LazySamples:
    """The variables of a Dataset as the channels of samples, read when they are asked for.

    The file must stay open. From dask arrays whole dask chunks are read for each sample, which
    is slow in a shuffled order: `open_fields(..., chunked=False)` opens files without them.

    **Arguments:**

    - `dataset`: such as `open_fields` returns, or a part of it: `isel` with a slice stays lazy.
    - `names`: of variables with the same dims and sizes.
    - `sample`: the dim of the samples, the first one of each variable.
    - `dtype`: of the samples; the values are converted when they are read.

    Raises `DataError` if a variable is missing, is not of numbers, or has other dims or sizes.
    """
    if not names:
        raise DataError("Give at least one of `names`, the variables that become channels.")
    for name in names:
        if name not in dataset.data_vars:
            raise DataError(
                f"The Dataset has no variable {name!r}; it has "
                f"{sorted(map(str, dataset.data_vars))}. Name some of these."
            )
    first = dataset[names[0]]
    for name in names:
        field = dataset[name]
        if field.dtype.kind not in "fiub" or field.dims[:1] != (sample,):
            raise DataError(
                f"{name!r} is of type {field.dtype} with dims {field.dims}, expected numbers with "
                f"{sample!r} as the first dim; convert or transpose it."
            )
        if field.dims != first.dims:
            raise DataError(
                f"{name!r} has dims {field.dims}, but {names[0]!r} {first.dims}; transpose one, "
                "or make samples of each."
            )
    return LazySamples(tuple(dataset[name] for name in names), np.dtype(dtype))

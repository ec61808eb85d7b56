import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from closurax.datasets.netcdf_output import write_netcdf

_COLUMNS = {
    "training_loss": ("1", "mean of the training loss over the batches of the epoch"),
    "validation_loss": ("1", "loss on the validation data after the epoch"),
    "learning_time": ("s", "time spent training until the end of the epoch, resumed runs included"),
}


@dataclasses.dataclass(frozen=True)
class History:
    """What happened in each epoch, counted from 1."""

    training_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    learning_time: tuple[float, ...] = ()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "History":
        return cls(**{name: tuple(column.tolist()) for name, column in arrays.items()})

    def with_epoch(
        self, training_loss: float, validation_loss: float, learning_time: float
    ) -> "History":
        """This history with one more epoch."""
        return History(
            (*self.training_loss, training_loss),
            (*self.validation_loss, validation_loss),
            (*self.learning_time, learning_time),
        )

    @property
    def epochs(self) -> int:
        return len(self.training_loss)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the lowest validation loss; 0 before the first."""
        return int(np.argmin(self.validation_loss)) + 1 if self.epochs else 0

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(getattr(self, name), float) for name in _COLUMNS}

    def to_dataset(self, **attrs: str | int) -> xr.Dataset:
        """The columns over `epoch`."""
        epochs = range(1, self.epochs + 1)
        attrs = {"best_epoch": self.best_epoch, **attrs}
        return history_dataset("epoch", epochs, self.arrays(), _COLUMNS, attrs)


def history_dataset(
    axis: str,
    numbers: Sequence[int],
    columns: Mapping[str, Sequence[float] | np.ndarray],
    described: Mapping[str, tuple[str, str]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Columns over the numbers of what was done, with units and a long name of each.

    **Arguments:**

    - `axis`: what the numbers count, such as `"epoch"`.
    - `described`: units and long names of the columns, and of the axis if it is not called what it
        counts; a column that has none is a number, called by its name.
    """
    data = {}
    for name, column in columns.items():
        units, long_name = described.get(name, ("1", name.replace("_", " ")))
        data[name] = (axis, np.asarray(column, float), {"units": units, "long_name": long_name})
    units, long_name = described.get(axis, ("1", axis))
    counted = (axis, np.asarray(numbers, int), {"units": units, "long_name": long_name})
    return xr.Dataset(data, {axis: counted}, {"Conventions": "CF-1.11", **attrs})


def write_history(dataset: xr.Dataset, path: Path) -> None:
    """Writes netCDF; the file appears under its name only when it is complete."""
    write_netcdf(dataset, path)

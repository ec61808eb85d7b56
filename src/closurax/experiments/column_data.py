"""Columns for training, validation and test: drawn around soundings, or from a file."""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from closurax import datasets
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch
from closurax.physics.errors import ExperimentError

from .convection_columns_settings import ColumnData

_GAP = 1.35
_FILE_COPIES = 2
Arrays = dict[str, np.ndarray]


class Columns(NamedTuple):
    """What convection schemes read and returned, with a leading axis of the columns."""

    inputs: Arrays
    targets: Arrays

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.inputs["air_pressure"])

    def select(self, chosen: np.ndarray) -> "Columns":
        return Columns(
            {name: values[chosen] for name, values in self.inputs.items()},
            {name: values[chosen] for name, values in self.targets.items()},
        )


class ColumnParts:
    """The parts of the data of an experiment, each made when it is first asked for.

    Parts share no sounding, nor the day of one. Drawn columns are labelled by the multi-scale
    Kain-Fritsch scheme of closurax; those of a file keep the labels that it has.
    """

    def __init__(self, settings: ColumnData, seed: int):
        self.settings, self.seed = settings, seed
        self._scheme = MultiScaleKainFritsch()

    @cached_property
    def training(self) -> Columns:
        settings = self.settings
        focused = round(settings.focus_share * settings.training_columns) if settings.focus else 0
        parts = [self._drawn(0, settings.training_columns - focused)]
        if focused:
            parts.append(self._drawn_in_focus(focused))
        if settings.columns:
            own = self._of_file(0)
            own = own.select(np.flatnonzero(~self.is_left_out(own)))
            parts += [own] * _FILE_COPIES
        return _joined(parts)

    @cached_property
    def validation(self) -> Columns:
        if self.settings.columns:
            return self._of_file(1)
        return self._drawn(1, self.settings.test_columns)

    @cached_property
    def test(self) -> Columns:
        if self.settings.columns:
            return self._of_file(2)
        return self._drawn(2, self.settings.test_columns)

    def envelope(self, count: int) -> Arrays:
        """The inputs of columns like those of the training, for an envelope."""
        if "training" in self.__dict__:
            return self.training.select(np.arange(min(count, self.training.size))).inputs
        recipe = datasets.ColumnRecipe()
        return datasets.draw_columns(self._soundings[0], recipe, count, 3 * self.seed)

    def is_left_out(self, columns: Columns) -> np.ndarray:
        """Which columns have a grid spacing that training does not see."""
        low, high = self._gap
        spacing = columns.inputs["grid_spacing"]
        return (spacing > low) & (spacing < high)

    @property
    def _gap(self) -> tuple[float, float]:
        spacing = self.settings.left_out_spacing
        return (spacing / _GAP, spacing * _GAP) if spacing else (0.0, 0.0)

    @cached_property
    def _file_parts(self) -> tuple[xr.Dataset, ...]:
        columns = datasets.open_convection_columns(self.settings.columns)
        return datasets.split_by_sounding(columns, self._fractions, self.seed)

    @cached_property
    def _soundings(self) -> tuple[xr.Dataset, ...]:
        if self.settings.columns:
            return tuple(datasets.parent_soundings(part) for part in self._file_parts)
        return datasets.split_soundings(datasets.sars_soundings(), self._fractions, self.seed)

    @property
    def _fractions(self) -> tuple[float, float, float]:
        validation, test = self.settings.validation_fraction, self.settings.test_fraction
        return (1 - validation - test, validation, test)

    def _of_file(self, part: int) -> Columns:
        columns = self._file_parts[part]
        return Columns(datasets.column_inputs(columns), datasets.column_targets(columns))

    def _drawn(self, part: int, count: int) -> Columns:
        recipe = datasets.ColumnRecipe(left_out=self._gap if part == 0 else (0.0, 0.0))
        return self._labelled(self._soundings[part], recipe, count, 3 * self.seed + part)

    def _drawn_in_focus(self, count: int) -> Columns:
        """Columns around the training soundings whose names start with the focus."""
        soundings, start = self._soundings[0], self.settings.focus
        names = soundings["name"].values.astype(str)
        chosen = np.flatnonzero(np.char.startswith(names, start))
        if not chosen.size:
            raise ExperimentError(
                f"data.focus = {start!r} is the start of no sounding's name; there are "
                f"{sorted({name.split('/')[0] for name in names})}."
            )
        low, high = self.settings.focus_spacing
        recipe = datasets.ColumnRecipe(spacing=(low, high))
        # A seed of its own, so that the other columns stay what they are.
        return self._labelled(soundings.isel(sounding=chosen), recipe, count, 10_007 + self.seed)

    def _labelled(
        self, soundings: xr.Dataset, recipe: datasets.ColumnRecipe, count: int, seed: int
    ) -> Columns:
        inputs: Any = datasets.draw_columns(soundings, recipe, count, seed)
        labels: Any = datasets.label_columns(self._scheme, inputs)
        return Columns(inputs, {name: np.asarray(values) for name, values in labels.items()})


def _joined(parts: list[Columns]) -> Columns:
    def join(index: int) -> Arrays:
        return {
            name: np.concatenate([part[index][name] for part in parts]) for name in parts[0][index]
        }

    return Columns(join(0), join(1))

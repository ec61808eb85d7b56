"""The errors that closurax raises on purpose: each says what was wrong, where, and what to do."""

from typing import Any


class ClosuraxError(Exception):
    """Base of all errors that closurax raises on purpose."""


class SchemeMismatchError(ClosuraxError):
    """A scheme reads or returns something that its slot does not provide or accept."""


class GridMismatchError(ClosuraxError):
    """A field does not live on the grid that it is used with."""


class DataError(ClosuraxError):
    """A data set lacks a variable or carries wrong dimensions, units or values."""


class SurrogateFileError(ClosuraxError):
    """A surrogate file is damaged, of a newer format, or does not fit its own header."""


class ExperimentError(ClosuraxError):
    """An experiment's configuration is not valid."""


class BlowUpError(ClosuraxError):
    """A simulation became non-finite, or ended before its time.

    `partial` holds everything saved before that: an `xarray.Dataset`, or of a field that evolves
    the field up to then.
    """

    def __init__(self, message: str, partial: Any):
        super().__init__(message)
        self.partial = partial


class TrainingDivergedError(ClosuraxError):
    """A training became non-finite.

    `last` holds what the training would have returned shortly before that.
    """

    def __init__(self, message: str, last: Any):
        super().__init__(message)
        self.last = last

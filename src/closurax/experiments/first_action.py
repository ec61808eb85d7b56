"""Where policies start from."""

import numpy as np

from closurax.physics.errors import ExperimentError
from closurax.surrogates.closures import AbstractCoefficientForm


def first_bias(form: AbstractCoefficientForm, start: list[float], setting: str) -> np.ndarray:
    """What a last layer with tanh has to add to zero for the coefficients `start` of a form.

    Raises `ExperimentError`, with the name of the setting, for coefficients that do not fit.
    """
    lower, upper = np.asarray(form.bounds)
    if len(start) != lower.size:
        raise ExperimentError(
            f"{setting} = {start} must hold {lower.size} coefficients for {type(form).__name__}."
        )
    action = (2 * np.asarray(start) - lower - upper) / (upper - lower)
    if not (np.abs(action) < 1).all():
        raise ExperimentError(
            f"{setting} = {start} must lie between {lower.tolist()} and {upper.tolist()}."
        )
    return np.arctanh(action)

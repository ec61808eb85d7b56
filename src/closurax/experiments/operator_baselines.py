"""What a learned operator has to beat."""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from closurax.physics.pdes import Darcy, Helmholtz, window_flux

from .operator_networks import Fields

_RIDGES = 10.0 ** np.arange(-6, 3)


class Prediction(NamedTuple):
    """Outputs, `(sample, channel, x, y)`, and the seconds that a sample took."""

    outputs: np.ndarray
    seconds: float


def mean_field(train: Fields, test: Fields) -> Prediction:
    """The mean of the outputs of training, whatever the input."""
    outputs = np.broadcast_to(train.outputs.mean(axis=0), test.outputs.shape)
    return Prediction(outputs, 0.0)


def ridge_regression(train: Fields, validation: Fields, test: Fields) -> Prediction:
    """Linear regression of all outputs on all inputs; the penalty is chosen on validation."""
    x, x_mean = _flat(train.inputs)
    y, y_mean = _flat(train.outputs)
    kernel = x @ x.T
    scale = np.trace(kernel) / len(kernel)

    def predict(weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        flat = inputs.reshape(len(inputs), -1) - x_mean
        return (flat @ x.T) @ weights + y_mean

    def solve(penalty: float) -> np.ndarray:
        return np.linalg.solve(kernel + penalty * scale * np.eye(len(kernel)), y)

    truth = validation.outputs.reshape(len(validation.outputs), -1)
    best = min(
        _RIDGES, key=lambda p: np.square(predict(solve(p), validation.inputs) - truth).mean()
    )
    weights = solve(best)
    started = time.perf_counter()
    outputs = predict(weights, test.inputs).reshape(test.outputs.shape)
    return Prediction(outputs, (time.perf_counter() - started) / len(outputs))


def classical_solver(problem: str, test: Fields) -> Prediction:
    """A sparse direct solver of second order on the grid of the samples."""
    shape = test.inputs.shape[2:]
    solve: Callable[[np.ndarray], np.ndarray]
    if problem == "darcy":
        solve = Darcy(*shape).solve_sparse
    else:
        solve = partial(Helmholtz(*shape).solve_sparse, q=window_flux(shape[0]))
    started = time.perf_counter()
    outputs = np.stack([solve(fields[0].astype(float)) for fields in test.inputs])
    return Prediction(outputs[:, None], (time.perf_counter() - started) / len(outputs))


def _flat(fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = fields.reshape(len(fields), -1).astype(float)
    mean = flat.mean(axis=0)
    return flat - mean, mean

"""The operators of an experiment by name, and how one is trained."""

from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from closurax import surrogates
from closurax.datasets import Standardiser, dihedral_copies
from closurax.physics import Quantity
from closurax.surrogates import operators
from closurax.surrogates.training import relative_h1_loss, relative_l2_loss

from .one_cycle import one_cycle_adam
from .operator_settings import FieldData, OperatorTraining
from .parameter_count import parameter_count

_LOSSES = {"l2": relative_l2_loss, "h1": relative_h1_loss}


class Fields(NamedTuple):
    """Inputs and outputs, `(sample, channel, x, y)` each."""

    inputs: np.ndarray
    outputs: np.ndarray

    def select(self, chosen: slice) -> "Fields":
        return Fields(self.inputs[chosen], self.outputs[chosen])


class TrainedOperator(NamedTuple):
    """A trained operator and what its training was like."""

    surrogate: operators.FieldSurrogate
    parameters: int
    validation_loss: float
    seconds: float


def train_operator(
    name: str,
    data: FieldData,
    training: OperatorTraining,
    train: Fields,
    validation: Fields,
    quantities: tuple[list[Quantity], list[Quantity]],
    seed: int,
    out: Path,
    resume: bool,
) -> TrainedOperator:
    """Trains the operator called `name`; checkpoints and the history go into `out`."""
    channels = (train.inputs.shape[1], train.outputs.shape[1])
    shape = train.inputs.shape[2:]
    operator = _build(name, data, channels, shape, jax.random.key(seed))
    surrogate = operators.FieldSurrogate(
        operator,
        *quantities,
        Standardiser.fit(train.inputs),
        Standardiser.fit(train.outputs),
    )
    samples = dihedral_copies(*train) if data.symmetric else train
    steps = training.passes * (len(samples[0]) // training.batch_size)
    fitted = surrogates.fit(
        surrogate,
        {"inputs": samples[0], "targets": samples[1]},
        {"inputs": validation.inputs, "targets": validation.outputs},
        loss=_LOSSES[training.loss],
        optimiser=one_cycle_adam(steps, training.learning_rate, training.weight_decay),
        epochs=training.passes,
        batch_size=training.batch_size,
        seed=seed,
        configuration={"operator": name, **training.model_dump()},
        out=out,
        resume=resume,
    )
    history = fitted.history
    return TrainedOperator(
        fitted.best,
        parameter_count(operator),
        float(history["validation_loss"].min()),
        float(history["learning_time"][-1]),
    )


def _build(
    name: str,
    data: FieldData,
    channels: tuple[int, int],
    shape: tuple[int, ...],
    key: Key[Array, ""],
) -> operators.AbstractOperator:
    n_in, n_out = channels
    # The sides that are not periodic get an eighth of the domain of zeros in Fourier space.
    padding = 0.0 if data.boundary == "periodic" else 0.125
    located: dict[str, Any] = {"dimensions": len(shape), "layout": data.layout}
    with_axes = n_in + len(shape)
    if name == "mgno":
        return operators.MgNO(
            n_in, n_out, boundary=data.boundary, layout=data.layout, before=grid_levels(shape),
            key=key,
        )  # fmt: skip
    if name == "fno":
        fno = operators.FNO(with_axes, n_out, padding=padding, key=key)
        return operators.WithCoordinates(fno, **located)
    if name == "factorised_fno":
        factorised = operators.FactorisedFNO(with_axes, n_out, width=32, padding=padding, key=key)
        return operators.WithCoordinates(factorised, **located)
    if name == "unet":
        return operators.UNet(n_in, n_out, boundary=data.boundary, key=key)
    return operators.DeepONet(shape, n_in, n_out, layout=data.layout, key=key)


def grid_levels(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Grids down to two points, with a second smoothing on the coarsest."""
    levels = max(2, int(np.log2(min(shape))))
    return (1,) * (levels - 1) + (2,)


@eqx.filter_jit
def _predict(surrogate: operators.AbstractOperator, inputs: Array) -> Array:
    return jax.vmap(surrogate)(inputs)


def predictions(
    surrogate: operators.AbstractOperator, inputs: np.ndarray, chunk: int = 20
) -> np.ndarray:
    """The outputs for all samples."""
    parts = [
        np.asarray(_predict(surrogate, jnp.asarray(inputs[start : start + chunk])))
        for start in range(0, len(inputs), chunk)
    ]
    return np.concatenate(parts)

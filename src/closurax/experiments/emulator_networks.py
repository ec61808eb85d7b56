"""The operators that step a field forward, by name, and how one is trained."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from closurax import surrogates
from closurax.datasets import Standardiser, windows
from closurax.physics import Quantity
from closurax.surrogates import operators
from closurax.surrogates.training import rollout_loss

from .emulator_settings import EmulatorComparison
from .one_cycle import one_cycle_adam
from .operator_networks import grid_levels


class TrainedEmulator(NamedTuple):
    """A trained emulator and what its training was like."""

    surrogate: operators.FieldSurrogate
    validation_loss: float
    seconds: float


def new_emulator(
    name: str, settings: EmulatorComparison, train: xr.DataArray, key: Key[Array, ""]
) -> operators.FieldSurrogate:
    """The operator called `name` for the field `train`, `(sample, time, *space)`."""
    shape = train.shape[2:]
    # A forcing that is fixed in space has to be told where it is.
    located = settings.equation == "navier-stokes" and settings.navier_stokes.forcing_amplitude != 0
    channels = 1 + len(shape) * located
    operator: operators.AbstractOperator
    if name == "mgno":
        operator = operators.MgNO(
            channels,
            width=settings.mgno.width,
            depth=settings.mgno.depth,
            before=grid_levels(shape),
            boundary="periodic",
            dimensions=len(shape),
            key=key,
        )
    else:
        operator = operators.FNO(
            channels,
            width=settings.fno.width,
            depth=settings.fno.depth,
            modes=settings.fno.modes,
            dimensions=len(shape),
            key=key,
        )
    if located:
        operator = operators.WithCoordinates(operator, len(shape))
    if name == "mgno":
        operator = operators.ResidualStep(operator)
    # Both equations do, and no training sees another mean than zero.
    operator = operators.ConservedMean(operator)
    quantity = Quantity(str(train.name), str(train.attrs["units"]))
    normaliser = Standardiser.fit(train.values[None], channel_axis=0)
    return operators.FieldSurrogate(operator, [quantity], [quantity], normaliser, normaliser)


def train_emulator(
    emulator: operators.FieldSurrogate,
    settings: EmulatorComparison,
    trajectories: tuple[xr.Dataset, xr.Dataset],
    *,
    unrolled: bool,
    seed: int,
    out: Path,
    resume: bool,
) -> TrainedEmulator:
    """Trains on single steps, or through runs of several.

    **Arguments:**

    - `trajectories`: for training and for validation.
    - `unrolled`: whether on runs of `unrolled_steps`.
    - `out`: the folder of the checkpoints and the history.
    """
    training = settings.training
    steps, pushforward, passes = 1, False, training.passes
    rate, batch_size = training.learning_rate, training.batch_size
    if unrolled:
        steps, pushforward = training.unrolled_steps, training.pushforward
        passes, rate = training.unrolled_passes, training.unrolled_learning_rate
        batch_size = training.unrolled_batch_size
    (variable,) = (quantity.name for quantity in emulator.reads)
    train, validation = (_samples(part, variable, steps) for part in trajectories)
    n_steps = passes * (len(train["input"]) // batch_size)
    fitted = surrogates.fit(
        emulator,
        train,
        validation,
        loss=partial(rollout_loss, steps=steps, pushforward=pushforward),
        optimiser=one_cycle_adam(n_steps, rate, training.weight_decay),
        epochs=passes,
        batch_size=batch_size,
        seed=seed,
        configuration=training.model_dump(),
        out=out,
        resume=resume,
    )
    return TrainedEmulator(
        fitted.best,
        float(fitted.history["validation_loss"].min()),
        float(fitted.history["learning_time"][-1]),
    )


def _samples(trajectories: xr.Dataset, variable: str, steps: int) -> dict[str, np.ndarray]:
    cut = windows(trajectories, variable, 1, steps, stride=steps)[:]
    # The one time of the input is the one channel of the emulator.
    return {"input": cut["input"], "target": cut["target"][:, :, None]}

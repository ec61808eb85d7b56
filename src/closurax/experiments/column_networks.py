"""The networks of the convection experiments by name, and how one is trained."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, Key

from closurax import surrogates
from closurax.surrogates import columns

from .column_data import Columns
from .convection_columns_settings import Network
from .parameter_count import parameter_count

_SAMPLE = 100_000
_WEIGHT_DECAY = 1e-3


class Trained(NamedTuple):
    """A trained scheme and what its training was like."""

    scheme: columns.ConvectionNetwork
    parameters: int
    epochs: int
    validation_loss: float
    seconds: float


def train_network(
    name: str,
    settings: Network,
    training: Columns,
    validation: Columns,
    seed: int,
    out: Path,
    resume: bool,
) -> Trained:
    """Trains the network called `name`; checkpoints and the history go into `out`."""
    rng = np.random.default_rng(seed)
    if settings.columns < training.size:
        training = training.select(np.sort(rng.permutation(training.size)[: settings.columns]))
    features_of = columns.ColumnFeatures if name.endswith("plain") else columns.ParcelFeatures
    sample = training.select(np.arange(min(_SAMPLE, training.size)))
    features = features_of.fit(sample.inputs)
    train = columns.training_columns(features, *training)
    check = columns.training_columns(features, *validation)
    scaling = _scaling(train)
    network = _build(name.removesuffix("_plain"), settings, features, jax.random.key(seed))
    scheme = columns.ConvectionNetwork(features, network, scaling)
    count = len(train["features"].timescale)
    batch_size = min(settings.batch_size, count)
    steps = settings.epochs * (count // batch_size)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, settings.learning_rate, max(1, min(500, steps // 10)), steps,
        0.002 * settings.learning_rate,
    )  # fmt: skip
    fitted = surrogates.fit(
        scheme,
        train,
        check,
        loss=columns.convection_loss,
        optimiser=optax.chain(
            optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=_WEIGHT_DECAY)
        ),
        epochs=settings.epochs,
        batch_size=batch_size,
        seed=seed,
        configuration={"network": name, **settings.model_dump()},
        out=out,
        resume=resume,
    )
    history = fitted.history
    return Trained(
        fitted.best,
        parameter_count(network),
        history.sizes["epoch"],
        float(history["validation_loss"].min()),
        float(history["learning_time"][-1]),
    )


def fit_baseline(name: str, training: Columns, largest: int = 20_000) -> Any:
    """The baseline called `name`, fitted to at most `largest` columns."""
    kinds: dict[str, Any] = {
        "class_mean": columns.ClassMeanConvection,
        "linear": columns.LinearConvection,
        "nearest": columns.NearestNeighbourConvection,
    }
    part = training.select(np.arange(min(largest, training.size)))
    features = columns.ParcelFeatures.fit(part.inputs)
    return kinds[name].fit(features, part.inputs, part.targets)


def _scaling(train: dict[str, Any]) -> columns.TendencyScaling:
    part = slice(0, _SAMPLE)
    inputs = train["inputs"]
    return columns.TendencyScaling.fit(
        {name: values[part] for name, values in train["targets"].items()},
        train["features"].timescale[part],
        (inputs["air_density"] * inputs["layer_thickness"])[part],
    )


def _build(
    name: str,
    settings: Network,
    features: columns.AbstractColumnFeatures,
    key: Key[Array, ""],
) -> columns.AbstractColumnNetwork:
    width, depth = settings.width, settings.depth
    levels, channels, scalars = features.levels, features.channels, features.scalars
    if name == "dense":
        return columns.DenseNetwork(
            levels, channels, scalars, width, depth, activation="relu", key=key
        )
    trunk_key, head_key = jax.random.split(key)
    trunk: columns.AbstractTrunk
    if name == "bilstm":
        trunk = columns.BiLSTM(channels, scalars, width, depth, key=trunk_key)
    elif name == "s4d":
        trunk = columns.DiagonalStateSpace(channels, scalars, width, depth, key=trunk_key)
    elif name == "convolution":
        trunk = columns.LevelConvolution(channels, scalars, width, key=trunk_key)
    else:
        trunk = columns.LevelMixing(levels, channels, scalars, width, depth, key=trunk_key)
    return columns.LevelwiseNetwork(trunk, key=head_key)

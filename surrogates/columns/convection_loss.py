from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from closurax.physics.column.conservation import layer_mass
from closurax.physics.column.convection import TENDENCIES

from .convection_network import ConvectionNetwork, interpret
from .decision import probabilities
from .features import Features


class LossWeights(NamedTuple):
    """How much each part of `convection_loss` counts."""

    tendencies: tuple[float, ...] = (1.0, 1.0, 0.3, 0.1, 0.3, 0.1, 0.1, 0.1)
    """In the order of `TENDENCIES`."""
    adjustments: float = 0.7
    """Of the relative errors of the adjustments, over the errors of the tendencies."""
    rain: float = 0.5
    classes: float = 0.5
    class_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Of the columns without convection, with deep and with shallow convection."""
    lifetime: float = 0.05
    levels: float = 0.02


def convection_loss(
    scheme: ConvectionNetwork,
    batch: Mapping[str, Any],
    *,
    weights: LossWeights = LossWeights(),
) -> Float[Array, ""]:
    r"""How far the expectations of a scheme are from data; for `fit`.

    The mean over the columns of

    - the squared errors of the expected tendencies over their spread in the data, averaged over
      the levels with the mass of the layers for weights, which is one minus R2;
    - $\sqrt{1 + e^2} - 1$ of the errors of the adjustments over their scales on each level, which
      keeps the network honest where little happens and is not ruled by a few columns;
    - the squared error of the expected precipitation rate over its spread;
    - the cross-entropies of the class, and of cloud base and top where there is convection;
    - the Huber loss of the logarithm of the lifetime of deep convection.

    **Arguments:**

    - `batch`: as `training_columns` returns it.
    - `weights`: of the parts.
    """
    terms = jax.vmap(
        lambda told, inputs, targets: loss_terms(scheme, told, inputs, targets, weights)
    )(batch["features"], dict(batch["inputs"]), dict(batch["targets"]))
    return sum((jnp.mean(term) for term in terms.values()), jnp.zeros(()))


def loss_terms(
    scheme: ConvectionNetwork,
    told: Features,
    inputs: Mapping[str, Array],
    targets: Mapping[str, Array],
    weights: LossWeights = LossWeights(),
) -> dict[str, Float[Array, ""]]:
    """The weighted parts of the loss of one column, by name."""
    prediction, timescale = interpret(scheme.network, told), told.timescale
    decision = probabilities(prediction)
    outputs = scheme.outputs(prediction, timescale, decision, inputs)
    names = [name for name, _ in TENDENCIES]
    difference = jnp.stack([outputs[name] - targets[name] for name in names], axis=1)
    mass = layer_mass(inputs)
    share = (mass / jnp.sum(mass))[:, None]
    squared = jnp.sum(share * scheme.scaling.errors.normalise(difference) ** 2, axis=0)
    relative = scheme.scaling.normalise(difference * timescale)
    bounded = jnp.mean(jnp.sqrt(1 + relative**2) - 1, axis=0)
    tendency_errors = squared + weights.adjustments * bounded
    dtype = tendency_errors.dtype

    kind = targets["convection_class"].astype(jnp.int32)
    is_deep, triggered = (kind == 1).astype(dtype), (kind > 0).astype(dtype)
    rain = outputs["precipitation_rate"] - targets["precipitation_rate"]
    rain_error = (rain / scheme.scaling.rain_error) ** 2
    lifetime = scheme.scaling.normalised_lifetime(targets["convective_lifetime"])
    lifetime_error = optax.losses.huber_loss(prediction.lifetime.astype(dtype), lifetime)

    terms = {
        name: weight * value
        for name, weight, value in zip(names, weights.tendencies, tendency_errors, strict=True)
    }
    class_weight = jnp.asarray(weights.class_weights, dtype)[kind]
    level_error = _cross_entropy(prediction.base_logits, targets["cloud_base_level"]) + (
        _cross_entropy(prediction.top_logits, targets["cloud_top_level"])
    )
    return terms | {
        "precipitation_rate": weights.rain * rain_error,
        "convective_lifetime": weights.lifetime * is_deep * lifetime_error,
        "convection_class": weights.classes
        * class_weight
        * -jax.nn.log_softmax(prediction.class_logits)[kind].astype(dtype),
        "cloud_levels": weights.levels * triggered * level_error.astype(dtype),
    }


def _cross_entropy(logits: Float[Array, " level"], level: Array) -> Float[Array, ""]:
    """Of a level that counts from 1."""
    return -jax.nn.log_softmax(logits)[level.astype(jnp.int32) - 1]

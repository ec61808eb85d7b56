from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.column.convection import TENDENCIES, AbstractConvection

from .column_network import AbstractColumnNetwork, ColumnPrediction
from .constraints import ALL_CONSTRAINTS, AbstractConstraint
from .decision import Decision, decide, probabilities
from .features import AbstractColumnFeatures, Features
from .tendency_scaling import TendencyScaling

_IMPOSSIBLE = -1e4


class ConvectionNetwork(AbstractConvection):
    """A learned convection scheme: features, a network, physical units, constraints.

    A network predicts at once whether there is convection and of which kind, the tendencies,
    the precipitation rate, the lifetime and the extent of the cloud, as Zhong et al. (2024,
    Geosci. Model Dev. 17, 3667) do; what convection must fulfil holds by construction.

    `tendencies` decides for the most probable class and is what a simulation calls. `expected`
    weighs with the probabilities instead: it is differentiable, and what training compares
    with data.

    The network computes in the precision of its arrays; the constraints, and what is returned,
    are in that of the temperature.
    """

    features: AbstractColumnFeatures
    network: AbstractColumnNetwork
    scaling: TendencyScaling
    constraints: tuple[AbstractConstraint, ...] = ALL_CONSTRAINTS

    def predict(self, inputs: Mapping[str, Any]) -> tuple[ColumnPrediction, Float[Array, ""]]:
        """What the network says of one column, and the timescale in s that it refers to."""
        told = self.features(inputs)
        return interpret(self.network, told), told.timescale

    def expected(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """What is to be expected of one column, given the probabilities of the network."""
        prediction, timescale = self.predict(inputs)
        return self.outputs(prediction, timescale, probabilities(prediction), inputs)

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        prediction, timescale = self.predict(inputs)
        return self.outputs(prediction, timescale, decide(prediction), inputs)

    def outputs(
        self,
        prediction: ColumnPrediction,
        timescale: Float[Array, ""],
        decision: Decision,
        inputs: Mapping[str, Any],
    ) -> dict[str, Array]:
        """Everything that a convection scheme returns, in physical units and constrained.

        **Arguments:**

        - `prediction`, `timescale`: as `predict` returns them.
        - `decision`: what to make of the logits: `probabilities` or `decide` of the prediction.
        - `inputs`: what the scheme reads.
        """
        dtype = inputs["air_temperature"].dtype
        levels = prediction.top_logits.shape[0]
        decision = Decision(*(part.astype(dtype) for part in decision))
        physical = self.scaling.denormalise(prediction.tendencies.astype(dtype)) / timescale
        outputs = {name: physical[:, i] for i, (name, _) in enumerate(TENDENCIES)}
        outputs["precipitation_rate"] = (
            self.scaling.rain * prediction.rain.astype(dtype) / timescale
        )
        for constraint in self.constraints:
            outputs = constraint(outputs, inputs, decision)
        deep_lifetime = self.scaling.deep_lifetime(prediction.lifetime.astype(dtype))
        number = jnp.arange(3, dtype=dtype)
        return outputs | {
            "convective_lifetime": decision.deep * deep_lifetime
            + decision.shallow * self.scaling.shallow_lifetime,
            "convection_class": jnp.sum(number * decision.classes),
            "cloud_base_level": decision.triggered * decision.base + decision.none * (levels + 1),
            "cloud_top_level": decision.triggered * decision.top + decision.none,
        }


def interpret(network: AbstractColumnNetwork, told: Features) -> ColumnPrediction:
    """What a network says, but no convection where the features rule it out."""
    said = network(told.profile, told.scalars)
    impossible = jnp.asarray([0.0, _IMPOSSIBLE, _IMPOSSIBLE], said.class_logits.dtype)
    logits = jnp.where(told.may_convect, said.class_logits, impossible)
    return said._replace(class_logits=logits)

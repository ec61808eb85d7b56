from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.column.convection import TENDENCIES, AbstractConvection
from closurax.physics.errors import ClosuraxError

from .column_network import AbstractColumnNetwork, ColumnPrediction
from .constraints import ALL_CONSTRAINTS, AbstractConstraint
from .convection_network import ConvectionNetwork, interpret
from .decision import decide, probabilities
from .features import AbstractColumnFeatures
from .tendency_scaling import TendencyScaling

_SPREAD = (*(name for name, _ in TENDENCIES), "precipitation_rate")


class EnsembleConvection(AbstractConvection):
    """Several networks that were trained alike from different random numbers.

    A deep ensemble (Lakshminarayanan et al. 2017, arXiv 1612.01474): what the networks say is
    averaged before it is decided and constrained, so that the mean fulfils the constraints; how
    much they differ is an estimate of the error.
    """

    features: AbstractColumnFeatures
    stacked: AbstractColumnNetwork
    scaling: TendencyScaling
    constraints: tuple[AbstractConstraint, ...]
    calibration: Float[Array, " output"]
    size: int = eqx.field(static=True)

    def __init__(
        self,
        features: AbstractColumnFeatures,
        networks: Sequence[AbstractColumnNetwork],
        scaling: TendencyScaling,
        constraints: tuple[AbstractConstraint, ...] = ALL_CONSTRAINTS,
        calibration: Float[Array, " output"] | None = None,
    ):
        """**Arguments:**

        - `features`, `scaling`, `constraints`: of all members.
        - `networks`: alike but for their arrays, at least two.
        - `calibration`: what the standard deviation of the members is multiplied with, for each
            tendency and the precipitation rate; without it one.

        Raises `ClosuraxError` if there are fewer than two networks, or they are not alike.
        """
        if len(networks) < 2:
            raise ClosuraxError(f"An ensemble needs at least two networks, not {len(networks)}.")
        arrays, rest = zip(*(eqx.partition(net, eqx.is_array) for net in networks), strict=True)
        shapes = [jtu.tree_map(lambda leaf: leaf.shape, part) for part in arrays]
        if any(
            other != shapes[0] or not eqx.tree_equal(statics, rest[0])
            for other, statics in zip(shapes, rest, strict=True)
        ):
            raise ClosuraxError("The networks of an ensemble must be alike but for their arrays.")
        stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves), *arrays)
        self.features, self.scaling, self.constraints = features, scaling, tuple(constraints)
        self.stacked = eqx.combine(stacked, rest[0])
        self.calibration = jnp.ones(len(_SPREAD)) if calibration is None else calibration
        self.size = len(networks)

    @classmethod
    def of(cls, members: Sequence[ConvectionNetwork]) -> "EnsembleConvection":
        """The ensemble of schemes that were trained alike.

        Raises `ClosuraxError` if they differ in more than the arrays of their networks.
        """
        first, *others = members
        shared = (first.features, first.scaling, first.constraints)
        if not all(
            eqx.tree_equal(shared, (other.features, other.scaling, other.constraints))
            for other in others
        ):
            raise ClosuraxError(
                "The members of an ensemble must have the same features, scales and constraints."
            )
        networks = [member.network for member in members]
        return cls(first.features, networks, first.scaling, first.constraints)

    @property
    def networks(self) -> tuple[AbstractColumnNetwork, ...]:
        """The networks one by one."""
        arrays, rest = eqx.partition(self.stacked, eqx.is_array)
        return tuple(
            eqx.combine(jtu.tree_map(lambda leaf, i=index: leaf[i], arrays), rest)
            for index in range(self.size)
        )

    def predict_all(self, inputs: Mapping[str, Any]) -> tuple[ColumnPrediction, Float[Array, ""]]:
        """What each network says of one column, with a leading axis of the members, and the
        timescale in s that it refers to."""
        told = self.features(inputs)
        said = eqx.filter_vmap(lambda network: interpret(network, told))(self.stacked)
        return said, told.timescale

    def predict(self, inputs: Mapping[str, Any]) -> tuple[ColumnPrediction, Float[Array, ""]]:
        """The mean of what the networks say of one column, and the timescale in s."""
        said, timescale = self.predict_all(inputs)
        return jtu.tree_map(lambda part: jnp.mean(part, axis=0), said), timescale

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        prediction, timescale = self.predict(inputs)
        return self._scheme.outputs(prediction, timescale, decide(prediction), inputs)

    def expected(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """What is to be expected of one column, as `ConvectionNetwork.expected`."""
        prediction, timescale = self.predict(inputs)
        return self._scheme.outputs(prediction, timescale, probabilities(prediction), inputs)

    def spread(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The calibrated standard deviation of what the members expect of one column: an
        estimate of the error of `expected`, for each tendency and the precipitation rate."""
        said, timescale = self.predict_all(inputs)
        outputs = jax.vmap(
            lambda one: self._scheme.outputs(one, timescale, probabilities(one), inputs)
        )(said)
        return {
            name: self.calibration[index].astype(outputs[name].dtype)
            * jnp.std(outputs[name], axis=0, ddof=1)
            for index, name in enumerate(_SPREAD)
        }

    def calibrated(
        self,
        inputs: Mapping[str, Array | np.ndarray],
        targets: Mapping[str, Array | np.ndarray],
    ) -> "EnsembleConvection":
        """The ensemble with a spread that is as large as the error, in the mean square.

        **Arguments:**

        - `inputs`, `targets`: of columns that were not used for training, with a leading sample
            axis.

        Raises `ClosuraxError` if the members agree everywhere on an output.
        """
        expected, spread = _expected_and_spread(self, dict(inputs))
        ratios = []
        for index, name in enumerate(_SPREAD):
            error = np.asarray(expected[name], float) - np.asarray(targets[name], float)
            squared, variance = np.mean(error**2), np.mean(np.asarray(spread[name], float) ** 2)
            # Rounding alone makes twins differ by a little.
            if not variance > 1e-10 * squared:
                raise ClosuraxError(
                    f"All members agree on {name!r}; their spread cannot be calibrated."
                )
            ratios.append(float(self.calibration[index]) * np.sqrt(squared / variance))
        calibration = jnp.asarray(ratios, self.calibration.dtype)
        return eqx.tree_at(lambda ensemble: ensemble.calibration, self, calibration)

    @property
    def _scheme(self) -> ConvectionNetwork:
        return ConvectionNetwork(self.features, self.stacked, self.scaling, self.constraints)


@eqx.filter_jit
def _expected_and_spread(ensemble, inputs):
    return jax.vmap(lambda one: (ensemble.expected(one), ensemble.spread(one)))(inputs)

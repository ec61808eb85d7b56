"""What holds for convection whatever a network says: small modules, applied one after another.

All are differentiable almost everywhere and act alike on expected values and final ones.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array

from closurax.physics.column.conservation import (
    CONDENSATES,
    close_momentum,
    close_water,
    keep_vapour,
)
from closurax.physics.column.convection import TENDENCIES

from .decision import Decision


class AbstractConstraint(eqx.Module):
    """Changes the outputs of a convection scheme, in physical units, so that something holds."""

    @abstractmethod
    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        """**Arguments:**

        - `outputs`: the tendencies and the precipitation rate of one column.
        - `inputs`: what the scheme reads.
        - `decision`: which convection there is.
        """


class PositiveRain(AbstractConstraint):
    """The precipitation rate is not negative."""

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        return {**outputs, "precipitation_rate": jax.nn.relu(outputs["precipitation_rate"])}


class PositiveCondensate(AbstractConstraint):
    """Convection does not take up cloud water, cloud ice, rain or snow, which it does not know."""

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        return {**outputs, **{name: jax.nn.relu(outputs[name]) for name in CONDENSATES}}


class OnlyWhereTriggered(AbstractConstraint):
    """Without convection nothing happens; only deep convection rains to the ground.

    What shallow convection rains stays in the air, as tendencies of rain and snow, and it alone
    has those.
    """

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        weights = {name: decision.triggered for name, _ in TENDENCIES} | {
            "rain_water_tendency": decision.shallow,
            "snow_tendency": decision.shallow,
            "precipitation_rate": decision.deep,
        }
        return {**outputs, **{name: outputs[name] * w for name, w in weights.items()}}


class OnlyBelowTop(AbstractConstraint):
    """Above the levels that the cloud may reach there are no tendencies."""

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        below = {name: outputs[name] * decision.below_top for name, _ in TENDENCIES}
        return {**outputs, **below}


class ClosedMomentum(AbstractConstraint):
    """The column neither gains nor loses momentum."""

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        return close_momentum(outputs, inputs)


class ClosedWater(AbstractConstraint):
    """What the column loses of water is what falls on the ground."""

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        return close_water(outputs, inputs)


class EnoughVapour(AbstractConstraint):
    """No layer loses more vapour in a time step than it has."""

    def __call__(
        self, outputs: dict[str, Array], inputs: Mapping[str, Any], decision: Decision
    ) -> dict[str, Array]:
        return keep_vapour(outputs, inputs)


ALL_CONSTRAINTS: tuple[AbstractConstraint, ...] = (
    PositiveRain(),
    PositiveCondensate(),
    OnlyWhereTriggered(),
    OnlyBelowTop(),
    ClosedMomentum(),
    ClosedWater(),
    EnoughVapour(),
)
"""In an order in which each keeps what those before it made true."""

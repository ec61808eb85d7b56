from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ..column.convection import SCALARS, TENDENCIES, AbstractConvection
from ..errors import ClosuraxError
from ..scheme import Quantity
from .envelope import AbstractEnvelope


class GuardedConvection(AbstractConvection):
    r"""A convection scheme, and another one that steps in where the first is not to be trusted.

    The `fallback` is used in columns where

    - the score of the `envelope` exceeds the `threshold`, or is not a number,
    - anything that the `scheme` returns is not finite,
    - it heats or cools a layer faster than the `heating_limit`,
    - it takes more vapour from a layer within a time step than there is, or its precipitation
      rate is negative.

    Besides what a convection scheme returns it returns `fallback`, 1 where the fallback was
    used and 0 elsewhere, and `envelope_score`. A single column computes only what it uses; under
    `jax.vmap` both schemes are computed in all columns.

    Raises `ClosuraxError` at construction unless `threshold` and `heating_limit` are positive.
    """

    scheme: AbstractConvection
    fallback: AbstractConvection
    envelope: AbstractEnvelope
    threshold: float = 1.0
    heating_limit: float = 0.02
    """Of the potential temperature, in K s-1; 0.02 K/s are 72 K in an hour."""

    returns: ClassVar[tuple[Quantity, ...]] = (
        *TENDENCIES,
        *SCALARS,
        Quantity("fallback", "1"),
        Quantity("envelope_score", "1"),
    )

    def __check_init__(self):
        for name in ("threshold", "heating_limit"):
            if not getattr(self, name) > 0:
                raise ClosuraxError(
                    f"GuardedConvection: `{name}` is {getattr(self, name)}; it must be positive."
                )

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        score = self.envelope(inputs)
        proposed = _only(self.scheme.tendencies(inputs))
        trusted = (score <= self.threshold) & self._plausible(proposed, inputs)
        outputs = lax.cond(trusted, lambda: proposed, lambda: self._fallback(inputs, proposed))
        dtype = inputs["air_temperature"].dtype
        return {
            **outputs,
            "fallback": 1 - trusted.astype(dtype),
            "envelope_score": score.astype(dtype),
        }

    def _plausible(self, outputs: dict[str, Array], inputs: Mapping[str, Any]) -> Bool[Array, ""]:
        finite = [jnp.all(jnp.isfinite(value)) for value in outputs.values()]
        heating = outputs["potential_temperature_tendency"]
        vapour = inputs["vapour_mixing_ratio"] + inputs["time_step"] * outputs["vapour_tendency"]
        return (
            jnp.all(jnp.stack(finite))
            & (jnp.max(jnp.abs(heating)) <= self.heating_limit)
            & jnp.all(vapour >= 0)
            & (outputs["precipitation_rate"] >= 0)
        )

    def _fallback(
        self, inputs: Mapping[str, Any], like: dict[str, Array]
    ) -> dict[str, Float[Array, "..."]]:
        outputs = _only(self.fallback.tendencies(inputs))
        return {name: value.astype(like[name].dtype) for name, value in outputs.items()}


def _only(outputs: dict[str, Array]) -> dict[str, Array]:
    return {name: jnp.asarray(outputs[name]) for name, _ in (*TENDENCIES, *SCALARS)}

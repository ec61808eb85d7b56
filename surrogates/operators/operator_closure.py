from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.errors import SchemeMismatchError

from .field_surrogate import FieldSurrogate

_READABLE = (Quantity("vorticity", "s-1"), Quantity("streamfunction", "m2 s-1"))
_TENDENCY = Quantity("vorticity_tendency", "s-2")


class OperatorClosure(AbstractMemorylessScheme):
    """The subgrid vorticity tendency as an operator of the resolved flow.

    It fills the slot `subgrid` of `BarotropicVorticity`, whose domain is periodic: the operator
    should be too. The tendency has zero mean, as the divergence of a flux must.
    """

    surrogate: FieldSurrogate

    def __check_init__(self):
        unknown = [quantity for quantity in self.reads if quantity not in _READABLE]
        if unknown or self.returns != (_TENDENCY,):
            raise SchemeMismatchError(
                f"OperatorClosure reads some of {_described(_READABLE)} and returns "
                f"{_described((_TENDENCY,))}; this surrogate reads {_described(self.reads)} and "
                f"returns {_described(self.returns)}."
            )

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return self.surrogate.reads

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return self.surrogate.returns

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Float[Array, "nx ny"]]:
        fields = jnp.stack([inputs[quantity.name] for quantity in self.reads])
        tendency = self.surrogate(fields)[0]
        return {_TENDENCY.name: tendency - jnp.mean(tendency)}


def _described(quantities: tuple[Quantity, ...]) -> list[str]:
    return [f"{quantity.name} in {quantity.units}" for quantity in quantities]

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import SchemeMismatchError
from ..scheme import AbstractScheme, Quantity
from .convection import SCALARS, TENDENCIES

_KNOWN = {
    quantity.name: quantity for quantity in (*TENDENCIES, *SCALARS, Quantity("scheme_called", "1"))
}


class RecordedConvection(AbstractScheme):
    """Plays back, step by step, what a convection scheme returned in another run.

    After the last step of the record, the last one is repeated. Its memory is the number of steps
    so far, so the run must take the steps of the record.
    """

    record: dict[str, Float[Array, "time ..."]]

    def __init__(self, record: Mapping[str, Float[np.ndarray | Array, "time ..."]]):
        """**Arguments:**

        - `record`: some of the quantities that a convection scheme may return, by name, with a
            leading axis of the steps.

        Raises `SchemeMismatchError` for a name that is none of them.
        """
        unknown = sorted(set(record) - set(_KNOWN))
        if unknown:
            raise SchemeMismatchError(
                f"RecordedConvection knows {sorted(_KNOWN)}, not {unknown}; rename the variables."
            )
        self.record = {name: jnp.asarray(value, float) for name, value in record.items()}

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return (Quantity("air_temperature", "K"),)

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return tuple(quantity for name, quantity in _KNOWN.items() if name in self.record)

    def initial_carry(self, inputs: Mapping[str, Any]) -> Float[Array, ""]:
        return jnp.zeros_like(inputs["air_temperature"][0])

    def __call__(
        self, inputs: Mapping[str, Any], carry: Float[Array, ""]
    ) -> tuple[dict[str, Array], Float[Array, ""]]:
        # A counter of the precision of the state: diffrax makes integers floating-point numbers.
        step = carry.astype(int)
        dtype = inputs["air_temperature"].dtype
        returned = {
            name: jnp.take(value, step, axis=0, mode="clip").astype(dtype)
            for name, value in self.record.items()
        }
        return returned, carry + 1

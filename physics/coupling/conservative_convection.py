from collections.abc import Mapping
from typing import Any

from jaxtyping import Array

from ..column.conservation import close_momentum, close_water, keep_vapour
from ..column.convection import AbstractConvection
from ..scheme import Quantity


class ConservativeConvection(AbstractConvection):
    """A convection scheme with tendencies corrected to conserve what a column must conserve.

    Afterwards the column conserves water and momentum, and no layer loses more vapour in a time
    step than it has: `close_momentum`, `close_water` and `keep_vapour` of
    `closurax.physics.column.conservation`, in this order.
    """

    scheme: AbstractConvection

    @property
    def returns(self) -> tuple[Quantity, ...]:  # type: ignore[override]
        return self.scheme.returns

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        outputs = self.scheme.tendencies(inputs)
        for correct in (close_momentum, close_water, keep_vapour):
            outputs = correct(outputs, inputs)
        return outputs

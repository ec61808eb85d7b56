import equinox as eqx
from jaxtyping import Array, Float

from .check_fields import check_step
from .operator import AbstractOperator


class ResidualStep(AbstractOperator):
    """One step in time as what it adds: the fields and, on top, what an operator makes of them.

    The operator learns the increment over the step. If it returns zero, nothing changes.
    """

    operator: AbstractOperator
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(self, operator: AbstractOperator):
        """**Arguments:**

        - `operator`: from the fields to their increment.

        Raises `ClosuraxError` if it does not return as many channels as it takes.
        """
        check_step(operator)
        self.operator = operator
        self.in_channels, self.out_channels = operator.in_channels, operator.out_channels

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        return fields + self.operator(fields)

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .check_fields import check_step
from .operator import AbstractOperator


class ConservedMean(AbstractOperator):
    """One step in time that keeps the mean of each field over space.

    For equations that conserve it, such as those whose tendency is the divergence of a flux. An
    operator that was trained on one mean knows nothing of another, and a free run would drift
    there.
    """

    operator: AbstractOperator
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(self, operator: AbstractOperator):
        """**Arguments:**

        - `operator`: from the fields to those after the step.

        Raises `ClosuraxError` if it does not return as many channels as it takes.
        """
        check_step(operator)
        self.operator = operator
        self.in_channels, self.out_channels = operator.in_channels, operator.out_channels

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        after = self.operator(fields)
        space = tuple(range(1, fields.ndim))
        return after + jnp.mean(fields - after, space, keepdims=True)

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError

from .check_fields import check_fields, check_sizes
from .coordinates import check_layout, unit_coordinates
from .operator import AbstractOperator


class WithCoordinates(AbstractOperator):
    """An operator that is given the coordinates of the points as its last channels.

    It lets an operator that commutes with shifts tell the points apart.
    """

    operator: AbstractOperator
    dimensions: int = eqx.field(static=True)
    layout: str = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(
        self,
        operator: AbstractOperator,
        dimensions: int = 2,
        layout: str = "cells",
    ):
        """**Arguments:**

        - `operator`: with one channel for each axis beside those of the fields.
        - `dimensions`: how many axes there are.
        - `layout`: `"cells"`, points half a spacing from the sides, or `"nodes"`, with points on
            the sides; the coordinates go from zero to one between the sides.

        Raises `ClosuraxError` if the operator has no channel left for a field.
        """
        check_layout(layout)
        check_sizes(dimensions=dimensions)
        if operator.in_channels <= dimensions:
            raise ClosuraxError(
                f"{type(operator).__name__} takes {operator.in_channels} channels, which leaves "
                f"none beside {dimensions} coordinates; give it more."
            )
        self.operator, self.dimensions, self.layout = operator, dimensions, layout
        self.in_channels = operator.in_channels - dimensions
        self.out_channels = operator.out_channels

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """Raises `GridMismatchError` for another number of channels or axes."""
        check_fields(fields, self, self.in_channels, self.dimensions)
        coordinates = unit_coordinates(fields.shape[1:], self.layout, fields.dtype)
        return self.operator(jnp.concatenate([fields, coordinates]))

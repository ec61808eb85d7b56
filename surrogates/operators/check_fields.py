import equinox as eqx
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError, GridMismatchError

from .operator import AbstractOperator


def check_fields(
    fields: Float[Array, "..."], operator: eqx.Module, channels: int, dimensions: int
) -> None:
    """Raises `GridMismatchError` unless the fields have these numbers of channels and axes."""
    if fields.ndim != 1 + dimensions or fields.shape[0] != channels:
        raise GridMismatchError(
            f"This {type(operator).__name__} takes fields with {channels} channels, the first "
            f"axis, and {dimensions} axes of space, not of shape {fields.shape}."
        )


def check_sizes(**sizes: int) -> None:
    """Raises `ClosuraxError` unless all the sizes are at least one."""
    for name, size in sizes.items():
        if size < 1:
            raise ClosuraxError(f"`{name}` must be at least 1, not {size}.")


def check_step(operator: AbstractOperator) -> None:
    """Raises `ClosuraxError` unless the operator returns as many channels as it takes."""
    if operator.in_channels != operator.out_channels:
        raise ClosuraxError(
            f"A step returns the fields that it takes, but {type(operator).__name__} takes "
            f"{operator.in_channels} channels and returns {operator.out_channels}; make these "
            "the same."
        )

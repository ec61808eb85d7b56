from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.errors import GridMismatchError, SchemeMismatchError

from ..square_symmetries import mean_turned_back, turned_copies

_PSEUDOSCALARS = ("vorticity", "streamfunction", "vorticity_tendency")


class SymmetrisedClosure(AbstractMemorylessScheme):
    r"""The mean of a closure over the eight rotations and reflections of the square.

    $$\frac{1}{8} \sum_{g \in D_4} g^{-1} \Pi(g \omega, g \psi)$$

    commutes with all of $D_4$ if $\Pi$ commutes with translations. Vorticity, stream function
    and the tendency are pseudoscalars: a reflection moves their values and changes their sign.
    It costs eight times the closure.
    """

    closure: AbstractMemorylessScheme

    def __check_init__(self):
        names = [quantity.name for quantity in (*self.reads, *self.returns)]
        others = [name for name in names if name not in _PSEUDOSCALARS]
        if others:
            raise SchemeMismatchError(
                f"SymmetrisedClosure cannot rotate {others} of {type(self.closure).__name__}; "
                f"it takes schemes that read and return only {_PSEUDOSCALARS}."
            )

    @property
    def reads(self) -> tuple[Quantity, ...]:
        return self.closure.reads

    @property
    def returns(self) -> tuple[Quantity, ...]:
        return self.closure.returns

    def tendencies(self, inputs: Mapping[str, Any]) -> dict[str, Float[Array, "nx ny"]]:
        """Raises `GridMismatchError` unless the grid is square."""
        grid = inputs["grid"]
        if (grid.nx, grid.length_x) != (grid.ny, grid.length_y):
            raise GridMismatchError(
                f"SymmetrisedClosure needs a square grid, not {grid.nx} x {grid.ny} points on "
                f"{grid.length_x:g} x {grid.length_y:g} m."
            )
        copies = {
            quantity.name: turned_copies(inputs[quantity.name], pseudoscalar=True)
            for quantity in self.reads
        }
        tendencies = jax.vmap(lambda fields: self.closure.tendencies({**fields, "grid": grid}))(
            copies
        )
        return {
            name: mean_turned_back(values, pseudoscalar=True) for name, values in tendencies.items()
        }

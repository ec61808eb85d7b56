from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PyTree

from ..scheme import Quantity, Slot
from ..semilinear_model import AbstractSemilinearModel
from ..spectral.grid import SpectralGrid
from ..spectral.periodic_interval import PeriodicInterval
from ..spectral.real_view import from_real_view, to_real_view

PeriodicGrid = PeriodicInterval | SpectralGrid


class AbstractPeriodicPDE(AbstractSemilinearModel):
    r"""A partial differential equation for one scalar field on a periodic domain,

    $$\partial_t u = L u + N(u) + \Pi,$$

    with a linear part $L$ that is diagonal in Fourier space. $\Pi$ is what the scheme in the slot
    `subgrid` returns: it reads the field, or its coefficients as `spectral_...`, and returns
    `..._tendency` or `spectral_..._tendency`; only the resolved wavenumbers of it count.

    Subclasses write `linear_operator` and `nonlinear_tendency`, and list the field, by the name
    that it has in files, in `output_variables` and with `subgrid_slot` in `slots`.

    The state is the real view, of shape `(2, *grid.spectral_shape)`, of the Fourier coefficients,
    truncated to the resolved wavenumbers.
    """

    if TYPE_CHECKING:
        # As for `schemes` in `AbstractModel`.
        @property
        def grid(self) -> Any: ...

    else:
        grid: eqx.AbstractVar[PeriodicGrid]

    @abstractmethod
    def nonlinear_tendency(self, field_hat: Complex[Array, "*modes"]) -> Complex[Array, "*modes"]:
        """The coefficients of what is not in `linear_operator`, truncated to the resolved ones."""

    @property
    def variable(self) -> str:
        """The name of the field."""
        (name,) = self.output_variables
        return name

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (2, *self.grid.spectral_shape)

    def initial_state(self, field: Float[Array | np.ndarray, "..."]) -> Float[Array, "..."]:
        """The state of a field, or of a batch of them.

        Raises `GridMismatchError` if the field is not on the model's grid.
        """
        self.grid.check(field, self.variable)
        field_hat = self.grid.truncate(self.grid.to_spectral(jnp.asarray(field)))
        axis = field_hat.ndim - len(self.grid.shape)
        return jnp.stack([field_hat.real, field_hat.imag], axis=axis)

    def field(self, state: Float[Array, "2 *modes"]) -> Float[Array, "*points"]:
        """The field on the grid points."""
        return self.grid.to_physical(from_real_view(state))

    def dynamics_tendency(self, t, state: Float[Array, "2 *modes"], args) -> Float[Array, "..."]:
        return to_real_view(self.nonlinear_tendency(from_real_view(state)))

    def scheme_inputs(
        self, t, state: Float[Array, "2 *modes"], names: frozenset[str], args
    ) -> dict[str, Any]:
        inputs: dict[str, Any] = {"grid": self.grid}
        if self.variable in names:
            inputs[self.variable] = self.field(state)
        if f"spectral_{self.variable}" in names:
            inputs[f"spectral_{self.variable}"] = from_real_view(state)
        return inputs

    def state_tendency(
        self, slot: str, tendencies: Mapping[str, Array], inputs: Mapping[str, Any] | None = None
    ) -> Float[Array, "2 *modes"]:
        name = f"{self.variable}_tendency"
        total: Any = 0.0
        if name in tendencies:
            total = total + self.grid.to_spectral(tendencies[name])
        if f"spectral_{name}" in tendencies:
            total = total + tendencies[f"spectral_{name}"]
        return to_real_view(self.grid.truncate(total))

    def outputs(self, t, state: Float[Array, "2 *modes"], memory: PyTree, args) -> dict[str, Array]:
        return {self.variable: self.field(state)}

    def coordinates(self) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
        x = {"x": ("x", self.grid.x, {"units": "m", "long_name": "x coordinate"})}
        if isinstance(self.grid, PeriodicInterval):
            return x
        return {**x, "y": ("y", self.grid.y, {"units": "m", "long_name": "y coordinate"})}


def subgrid_slot(name: str, units: str, tendency_units: str) -> Mapping[str, Slot]:
    """The slot `subgrid` of a scalar equation for the field `name`."""
    return {
        "subgrid": Slot(
            provides=(Quantity(name, units), Quantity(f"spectral_{name}", units)),
            accepts=(
                Quantity(f"{name}_tendency", tendency_units),
                Quantity(f"spectral_{name}_tendency", tendency_units),
            ),
        )
    }

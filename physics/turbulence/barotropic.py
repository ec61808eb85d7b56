from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float, PyTree

from ..model import OutputVariable
from ..scheme import AbstractScheme, Quantity, Slot
from ..semilinear_model import AbstractSemilinearModel
from ..spectral.grid import SpectralGrid
from ..spectral.real_view import from_real_view, to_real_view
from .advection import vorticity_advection
from .forcing import AbstractForcing, CosineForcing

Scalar = float | Float[Array, ""]


class BarotropicVorticity(AbstractSemilinearModel):
    r"""Forced, dissipated two-dimensional turbulence on a doubly periodic beta plane.

    $$\partial_t \omega + \mathbf{u} \cdot \nabla \omega + \beta v = \nu \nabla^2 \omega
    - \nu_p (-\nabla^2)^p \omega - \alpha \omega + F + \Pi,$$

    with $\omega = \partial_x v - \partial_y u = \nabla^2 \psi$ and
    $u = -\partial_y \psi$, $v = \partial_x \psi$. $\Pi$ is what the scheme in the slot
    `subgrid` returns. The mean vorticity is zero.

    The state is the real view, of shape `(2, nx, ny // 2 + 1)`, of the Fourier coefficients of
    the vorticity, truncated to the resolved wavenumbers.
    """

    grid: SpectralGrid
    viscosity: Scalar = 5e-5
    drag: Scalar = 0.1
    beta: Scalar = 0.0
    hyperviscosity: Scalar = 0.0
    hyperviscosity_order: int = eqx.field(static=True, default=4)
    forcing: AbstractForcing | None = CosineForcing()
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = {
        "subgrid": Slot(
            provides=(
                Quantity("vorticity", "s-1"),
                Quantity("streamfunction", "m2 s-1"),
                Quantity("velocity", "m s-1"),
                Quantity("spectral_vorticity", "s-1"),
            ),
            accepts=(
                Quantity("vorticity_tendency", "s-2"),
                Quantity("spectral_vorticity_tendency", "s-2"),
            ),
        )
    }
    output_variables: ClassVar[Mapping[str, OutputVariable]] = {
        "vorticity": OutputVariable(
            ("x", "y"), "s-1", "relative vorticity", "atmosphere_relative_vorticity"
        )
    }

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (2, *self.grid.spectral_shape)

    def initial_state(
        self, vorticity: Float[Array | np.ndarray, "*member nx ny"]
    ) -> Float[Array, "..."]:
        """The state of a vorticity field in s-1, or of a batch of them.

        Raises `GridMismatchError` if the field is not on the model's grid.
        """
        self.grid.check(vorticity, "vorticity")
        field_hat = self.grid.truncate(self.grid.to_spectral(jnp.asarray(vorticity)))
        field_hat = field_hat.at[..., 0, 0].set(0)
        axis = field_hat.ndim - 2
        return jnp.stack([field_hat.real, field_hat.imag], axis=axis)

    def vorticity(self, state: Float[Array, "2 nx nk"]) -> Float[Array, "nx ny"]:
        """The vorticity field in s-1."""
        return self.grid.to_physical(from_real_view(state))

    def linear_operator(self, dtype) -> Float[Array, "nx k"] | Complex[Array, "nx k"]:
        """The diagonal of everything linear, in s-1; real unless there is a beta effect."""
        k_squared = jnp.asarray(self.grid.k_squared, dtype)
        decay = (
            -self.drag
            - self.viscosity * k_squared
            - self.hyperviscosity * k_squared**self.hyperviscosity_order
        ) * jnp.asarray(self.grid.resolved, dtype)
        if isinstance(self.beta, float | int) and self.beta == 0:
            return decay
        rossby = self.grid.kx * self.grid.inverse_k_squared * self.grid.resolved
        return lax.complex(decay, self.beta * jnp.asarray(rossby, dtype))

    def dynamics_tendency(self, t, state: Float[Array, "2 nx k"], args) -> Float[Array, "2 nx k"]:
        tendency = vorticity_advection(self.grid, from_real_view(state))
        if self.forcing is not None:
            tendency = tendency + self.forcing(self.grid, state.dtype)
        return to_real_view(tendency)

    def scheme_inputs(
        self, t, state: Float[Array, "2 nx k"], names: frozenset[str], args
    ) -> dict[str, Any]:
        grid = self.grid
        vorticity_hat = from_real_view(state)
        inputs: dict[str, Any] = {"grid": grid}
        if "spectral_vorticity" in names:
            inputs["spectral_vorticity"] = vorticity_hat
        if "vorticity" in names:
            inputs["vorticity"] = grid.to_physical(vorticity_hat)
        if names & {"streamfunction", "velocity"}:
            streamfunction_hat = grid.inverse_laplacian(vorticity_hat)
            if "streamfunction" in names:
                inputs["streamfunction"] = grid.to_physical(streamfunction_hat)
            if "velocity" in names:
                u_hat = -grid.derivative_y(streamfunction_hat)
                v_hat = grid.derivative_x(streamfunction_hat)
                inputs["velocity"] = grid.to_physical(jnp.stack([u_hat, v_hat]))
        return inputs

    def state_tendency(
        self, slot: str, tendencies: Mapping[str, Array], inputs: Mapping[str, Any] | None = None
    ) -> Float[Array, "2 nx k"]:
        grid = self.grid
        total: Any = 0.0
        if "vorticity_tendency" in tendencies:
            total = total + grid.to_spectral(tendencies["vorticity_tendency"])
        if "spectral_vorticity_tendency" in tendencies:
            total = total + tendencies["spectral_vorticity_tendency"]
        return to_real_view(grid.multiply(_without_mean(grid), total))

    def outputs(self, t, state: Float[Array, "2 nx k"], memory: PyTree, args) -> dict[str, Array]:
        return {"vorticity": self.vorticity(state)}

    def coordinates(self) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
        return {
            "x": ("x", self.grid.x, {"units": "m", "long_name": "x coordinate"}),
            "y": ("y", self.grid.y, {"units": "m", "long_name": "y coordinate"}),
        }

    def courant_rate(self, state: Float[Array, "2 nx k"]) -> Float[Array, ""]:
        """The largest `abs(u) / dx + abs(v) / dy` in s-1, for `closurax.physics.solvers.CFL`."""
        velocity = self.scheme_inputs(0.0, state, frozenset({"velocity"}), None)["velocity"]
        grid = self.grid
        return jnp.max(
            jnp.abs(velocity[0]) * (grid.nx / grid.length_x)
            + jnp.abs(velocity[1]) * (grid.ny / grid.length_y)
        )


def _without_mean(grid: SpectralGrid) -> np.ndarray:
    resolved = grid.resolved.astype(float)
    resolved[0, 0] = 0.0
    return resolved

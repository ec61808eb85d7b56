from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..model import OutputVariable
from ..scheme import AbstractScheme, Quantity, Slot
from ..semilinear_model import AbstractSemilinearModel
from ..spectral.grid import SpectralGrid
from ..spectral.real_view import from_real_view, to_real_view

Scalar = float | Float[Array, ""]


class ShallowWater(AbstractSemilinearModel):
    r"""Rotating shallow water on a doubly periodic f-plane, in vector-invariant form,

    $$\partial_t \mathbf{u} + (f + \zeta) \, \mathbf{k} \times \mathbf{u} =
    - \nabla (g \eta + |\mathbf{u}|^2 / 2) + \nu \nabla^2 \mathbf{u}
    - \nu_p (-\nabla^2)^p \mathbf{u} + \Pi_u,$$
    $$\partial_t \eta + \nabla \cdot ((H + \eta) \mathbf{u}) = - \nu_p (-\nabla^2)^p \eta
    + \Pi_\eta,$$

    with the relative vorticity $\zeta = \partial_x v - \partial_y u$ (Vallis 2017, Atmospheric
    and Oceanic Fluid Dynamics, section 3.1; Arakawa and Lamb 1981, Mon. Weather Rev. 109, 18,
    equation 2.11 for the form). $\Pi$ is what the scheme in the slot `subgrid` returns. Products
    are free of aliasing. The volume is conserved to the last bit, also by a scheme, whose mean
    $\Pi_\eta$ is dropped; the energy without dissipation up to what the truncation cuts from
    products and to the error of the time step.

    The gravity waves are in the explicit part: the step is limited by their speed $\sqrt{g H}$.

    The state is the real view, of shape `(2, 3, nx, ny // 2 + 1)`, of the Fourier coefficients of
    $u$ and $v$ in m s-1 and $\eta$ in m, truncated to the resolved wavenumbers.
    """

    grid: SpectralGrid
    mean_depth: Scalar = 1.0
    gravity: Scalar = 1.0
    coriolis: Scalar = 1.0
    viscosity: Scalar = 0.0
    hyperviscosity: Scalar = 0.0
    hyperviscosity_order: int = eqx.field(static=True, default=4)
    schemes: dict[str, AbstractScheme] = eqx.field(default_factory=dict)

    slots: ClassVar[Mapping[str, Slot]] = {
        "subgrid": Slot(
            provides=(
                Quantity("velocity", "m s-1"),
                Quantity("elevation", "m"),
                Quantity("vorticity", "s-1"),
            ),
            accepts=(
                Quantity("velocity_tendency", "m s-2"),
                Quantity("elevation_tendency", "m s-1"),
            ),
        )
    }
    output_variables: ClassVar[Mapping[str, OutputVariable]] = {
        "u": OutputVariable(("x", "y"), "m s-1", "velocity along x"),
        "v": OutputVariable(("x", "y"), "m s-1", "velocity along y"),
        "elevation": OutputVariable(("x", "y"), "m", "elevation of the surface"),
    }

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (2, 3, *self.grid.spectral_shape)

    def initial_state(
        self, fields: Float[Array | np.ndarray, "*member 3 nx ny"]
    ) -> Float[Array, "*member 2 3 nx nk"]:
        """The state of $u$, $v$ in m s-1 and $\\eta$ in m, or of a batch of them.

        Raises `GridMismatchError` if the fields are not on the model's grid.
        """
        self.grid.check(fields, "u, v and elevation")
        fields_hat = self.grid.truncate(self.grid.to_spectral(jnp.asarray(fields)))
        return jnp.stack([fields_hat.real, fields_hat.imag], axis=-4)

    def geostrophic_velocity(self, elevation: Float[Array, "nx ny"]) -> Float[Array, "2 nx ny"]:
        r"""The $\mathbf{u} = (g / f) \, \mathbf{k} \times \nabla \eta$ that balances $\eta$."""
        elevation_hat = self.grid.truncate(self.grid.to_spectral(elevation))
        slope = self.grid.to_physical(
            jnp.stack(
                [-self.grid.derivative_y(elevation_hat), self.grid.derivative_x(elevation_hat)]
            )
        )
        return self.gravity / self.coriolis * slope

    def fields(self, state: Float[Array, "2 3 nx nk"]) -> Float[Array, "3 nx ny"]:
        """$u$ and $v$ in m s-1 and $\\eta$ in m on the grid points."""
        return self.grid.to_physical(from_real_view(state))

    def energy(self, state: Float[Array, "2 3 nx nk"]) -> Float[Array, ""]:
        r"""The mean of $(H + \eta) |\mathbf{u}|^2 / 2 + g \eta^2 / 2$ in m3 s-2."""
        u, v, elevation = self.fields(state)
        kinetic = (self.mean_depth + elevation) * (u**2 + v**2)
        return jnp.mean(kinetic + self.gravity * elevation**2) / 2

    def linear_operator(self, dtype) -> Float[Array, "3 nx nk"]:
        k_squared = jnp.asarray(self.grid.k_squared, dtype)
        for_all = -self.hyperviscosity * k_squared**self.hyperviscosity_order
        for_velocity = for_all - self.viscosity * k_squared
        return jnp.stack([for_velocity, for_velocity, for_all])

    def dynamics_tendency(
        self, t, state: Float[Array, "2 3 nx nk"], args
    ) -> Float[Array, "2 3 nx nk"]:
        grid = self.grid
        state_hat = from_real_view(state)
        vorticity_hat = self._vorticity(state_hat)
        u, v, elevation, vorticity = grid.to_physical(
            jnp.concatenate([state_hat, vorticity_hat[None]])
        )
        depth = self.mean_depth + elevation
        absolute_vorticity = self.coriolis + vorticity
        head = self.gravity * elevation + (u * u + v * v) / 2
        products = [absolute_vorticity * v, absolute_vorticity * u, head, depth * u, depth * v]
        turn_u, turn_v, head_hat, flux_x, flux_y = grid.truncate(
            grid.to_spectral(jnp.stack(products))
        )
        tendency = [
            turn_u - grid.derivative_x(head_hat),
            -turn_v - grid.derivative_y(head_hat),
            -grid.derivative_x(flux_x) - grid.derivative_y(flux_y),
        ]
        return to_real_view(jnp.stack(tendency))

    def scheme_inputs(
        self, t, state: Float[Array, "2 3 nx nk"], names: frozenset[str], args
    ) -> dict[str, Any]:
        inputs: dict[str, Any] = {"grid": self.grid}
        state_hat = from_real_view(state)
        if "velocity" in names:
            inputs["velocity"] = self.grid.to_physical(state_hat[:2])
        if "elevation" in names:
            inputs["elevation"] = self.grid.to_physical(state_hat[2])
        if "vorticity" in names:
            inputs["vorticity"] = self.grid.to_physical(self._vorticity(state_hat))
        return inputs

    def state_tendency(
        self, slot: str, tendencies: Mapping[str, Array], inputs: Mapping[str, Any] | None = None
    ) -> Float[Array, "2 3 nx nk"]:
        given = jnp.zeros((3, *self.grid.shape), next(iter(tendencies.values())).dtype)
        if "velocity_tendency" in tendencies:
            given = given.at[:2].set(tendencies["velocity_tendency"])
        if "elevation_tendency" in tendencies:
            given = given.at[2].set(tendencies["elevation_tendency"])
        given_hat = self.grid.truncate(self.grid.to_spectral(given))
        return to_real_view(given_hat.at[2, 0, 0].set(0))

    def outputs(
        self, t, state: Float[Array, "2 3 nx nk"], memory: PyTree, args
    ) -> dict[str, Array]:
        u, v, elevation = self.fields(state)
        return {"u": u, "v": v, "elevation": elevation}

    def coordinates(self) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
        return {
            "x": ("x", self.grid.x, {"units": "m", "long_name": "x coordinate"}),
            "y": ("y", self.grid.y, {"units": "m", "long_name": "y coordinate"}),
        }

    def courant_rate(self, state: Float[Array, "2 3 nx nk"]) -> Float[Array, ""]:
        r"""The largest $(|u| + c) / \Delta x + (|v| + c) / \Delta y$ in s-1, with the speed
        $c = \sqrt{g (H + \eta)}$ of gravity waves, for `closurax.physics.solvers.CFL`.
        """
        u, v, elevation = self.fields(state)
        wave_speed = jnp.sqrt(self.gravity * jnp.maximum(self.mean_depth + elevation, 0.0))
        grid = self.grid
        return jnp.max(
            (jnp.abs(u) + wave_speed) * (grid.nx / grid.length_x)
            + (jnp.abs(v) + wave_speed) * (grid.ny / grid.length_y)
        )

    def _vorticity(self, state_hat):
        return self.grid.derivative_x(state_hat[1]) - self.grid.derivative_y(state_hat[0])

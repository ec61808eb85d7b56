"""Eddy viscosities whose coefficients are fields, for closures that choose them."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from closurax.physics.closures.average import check_average
from closurax.physics.closures.eddy_viscosity import (
    curl_divergence,
    gradient_hat,
    magnitude,
    mean_product,
    square_root,
    strain_hat,
)
from closurax.physics.closures.leith import leith_stress
from closurax.physics.closures.smagorinsky import smagorinsky_stress
from closurax.physics.errors import ClosuraxError
from closurax.physics.spectral import SpectralGrid


class AbstractCoefficientForm(eqx.Module):
    """A subgrid term that is linear in coefficients which vary in space.

    Negative coefficients return energy to the resolved flow. Whatever they are, momentum and mean
    vorticity stay as they are.
    """

    channels: eqx.AbstractClassVar[int]
    """How many coefficients there are at each point."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The lowest and the highest coefficient of each channel."""

    @abstractmethod
    def vorticity_tendency(
        self,
        grid: SpectralGrid,
        vorticity_hat: Complex[Array, "nx nk"],
        coefficients: Float[Array, "channel nx ny"],
    ) -> Complex[Array, "nx nk"]:
        """The coefficients of the subgrid term, in s-2, at the resolved wavenumbers."""

    def __check_init__(self):
        lower, upper = self.bounds
        if not len(lower) == len(upper) == self.channels:
            raise ClosuraxError(
                f"{type(self).__name__}: `lower` and `upper` need {self.channels} numbers each, "
                f"not {lower} and {upper}."
            )
        if not all(low < high for low, high in zip(lower, upper, strict=True)):
            raise ClosuraxError(
                f"{type(self).__name__}: `lower` must be below `upper`, not {lower} and {upper}."
            )

    def coefficients(self, actions: Float[Array, "channel *shape"]) -> Float[Array, "..."]:
        """Maps actions in [-1, 1] to coefficients between the bounds."""
        lower, upper = jnp.asarray(self.bounds, actions.dtype).reshape(
            2, self.channels, *(actions.ndim - 1) * (1,)
        )
        return (lower + upper) / 2 + (upper - lower) / 2 * actions


class AbstractViscosityForm(AbstractCoefficientForm):
    """One coefficient, of an eddy viscosity in stress form."""

    lower: float = eqx.field(static=True, default=-0.125)
    upper: float = eqx.field(static=True, default=0.125)
    average: str = eqx.field(static=True, default="domain")

    channels: ClassVar[int] = 1

    def __check_init__(self):
        check_average(type(self).__name__, self.average)

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (self.lower,), (self.upper,)

    def vorticity_tendency(
        self,
        grid: SpectralGrid,
        vorticity_hat: Complex[Array, "nx nk"],
        coefficients: Float[Array, "channel nx ny"],
    ) -> Complex[Array, "nx nk"]:
        stress = self.stress(grid, vorticity_hat)
        return curl_divergence(grid, grid.to_spectral(coefficients * stress))

    @abstractmethod
    def stress(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Float[Array, "2 nx ny"]:
        """The viscous stress in m2 s-2 for a coefficient of one."""


class LeithForm(AbstractViscosityForm):
    r"""Leith's eddy viscosity with a coefficient field, in stress form.

    $$\Pi = \nabla \times \nabla \cdot (2 \nu_e S), \qquad
    \nu_e = c(x, y)\, \Delta^3 \langle |\nabla \omega| \rangle,$$

    as in Mojgani et al. 2023, arXiv 2312.00907, with bounds $\pm 0.125$ and the grid spacing
    $\Delta$. With `average="local"` it is $|\nabla \omega|$ at the point. $c = C_L^3$ of
    `closurax.physics.closures.Leith`. On a grid that keeps two thirds of its wavenumbers, a $c$ is
    what $c / 1.5^3$ is on one that keeps all, such as that of the paper.
    """

    def stress(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Float[Array, "2 nx ny"]:
        if self.average == "domain":
            gradient_and_strain = grid.to_physical(
                jnp.stack([gradient_hat(grid, vorticity_hat), strain_hat(grid, vorticity_hat)])
            )
            gradient, strain = gradient_and_strain
            return grid.spacing**3 * jnp.mean(magnitude(gradient)) * strain
        return leith_stress(grid, vorticity_hat, grid.spacing)


class SmagorinskyForm(AbstractViscosityForm):
    r"""Smagorinsky's eddy viscosity with a coefficient field, in stress form.

    $$\Pi = \nabla \times \nabla \cdot (2 \nu_e S), \qquad
    \nu_e = c(x, y)\, \Delta^2 \langle |S|^2 \rangle^{1/2},$$

    as in Mojgani et al. 2023, arXiv 2312.00907. With `average="local"` it is $|S|$ at the point.
    $c = C_S^2$ of `closurax.physics.closures.Smagorinsky`.
    """

    def stress(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
    ) -> Float[Array, "2 nx ny"]:
        if self.average == "domain":
            # In a periodic domain the mean square of the strain is that of the vorticity.
            norm = square_root(mean_product(grid, vorticity_hat, vorticity_hat))
            strain = grid.to_physical(strain_hat(grid, vorticity_hat))
            return grid.spacing**2 * norm * strain
        return smagorinsky_stress(grid, vorticity_hat, grid.spacing)


class BackscatterForm(AbstractCoefficientForm):
    r"""Biharmonic dissipation and a viscosity of either sign, with a coefficient field each.

    $$\Pi = -\nabla^2 \nabla \cdot (c_1 \Delta^4 |S| \nabla \omega)
    + \nabla \times \nabla \cdot (2 c_2 \Delta^2 |S| S).$$

    The first term is that of `closurax.physics.closures.JansenHeldBackscatter`, the curl of the
    divergence of the stress $-\partial_j (c_1 \Delta^4 |S| \nabla^2 u_i)$; where $c_1 > 0$ it takes
    kinetic energy, most of it from small scales. The second is Smagorinsky's; where $c_2 < 0$ it
    gives kinetic energy, more of it to larger scales. $c_1 = C^2$ of Jansen and Held's closure.

    After Jansen and Held 2014, Ocean Modelling 80, 36.
    """

    lower: tuple[float, float] = eqx.field(static=True, default=(0.0, -0.02))
    upper: tuple[float, float] = eqx.field(static=True, default=(0.03, 0.02))

    channels: ClassVar[int] = 2

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.lower, self.upper

    def vorticity_tendency(
        self,
        grid: SpectralGrid,
        vorticity_hat: Complex[Array, "nx nk"],
        coefficients: Float[Array, "channel nx ny"],
    ) -> Complex[Array, "nx nk"]:
        gradient_and_strain = grid.to_physical(
            jnp.stack([gradient_hat(grid, vorticity_hat), strain_hat(grid, vorticity_hat)])
        )
        gradient, strain = gradient_and_strain
        biharmonic, viscous = coefficients * magnitude(strain)[None]
        flux = grid.spacing**4 * biharmonic[None] * gradient
        stress = grid.spacing**2 * viscous[None] * strain
        flux_hat, stress_hat = grid.to_spectral(jnp.stack([flux, stress]))
        flux_hat = grid.truncate(flux_hat)
        diffusion_hat = grid.derivative_x(flux_hat[0]) + grid.derivative_y(flux_hat[1])
        return curl_divergence(grid, stress_hat) - grid.laplacian(diffusion_hat)

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..scheme import Quantity
from .chebyshev_cavity import ChebyshevCavity
from .corner_stream import corner_streams
from .jet import Jet
from .problem import AbstractProblem, Condition
from .walls import wall_conditions


class LidDrivenCavity(AbstractProblem):
    r"""Steady flow in a unit square under a lid that moves with $A \sin \pi x$,

    $$\nabla^2 \psi = -\omega, \qquad
    \nabla^2 \omega = \frac{1}{\nu} (u \, \partial_x \omega + v \, \partial_y \omega), \qquad
    u = \partial_y \psi, \quad v = -\partial_x \psi,$$

    with $\psi = 0$ and the given velocity on all sides. $\nu = 0.01$ is the viscosity
    of Shishehbor et al. 2024 (arXiv 2403.15652), whose lids have a sine with $A = 1$ and $A = 5$.

    At the ends of the lid the vorticity depends on the direction from which one comes, see
    `corner_stream`. `solution` is that of `ChebyshevCavity`, which says how accurate it is.
    """

    viscosity: float | Float[Array, ""] = 0.01
    lid_speed: float | Float[Array, ""] = 1.0
    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, 0.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(1.0, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (Quantity("x", "1"), Quantity("y", "1"))
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("psi", "1"), Quantity("omega", "1"))

    def residual(self, point: Float[Array, "2"], jet: Jet) -> Float[Array, "2"]:
        (minus_v, u), (omega_x, omega_y) = jet.gradient
        laplacian = jnp.sum(jet.second, axis=-1)
        carried = (u * omega_x - minus_v * omega_y) / self.viscosity
        return jnp.stack([laplacian[0] + jet.value[1], laplacian[1] - carried])

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(
            Condition(f"{name} of axis {axis}, {side}", axis, upper, residual)
            for axis in (0, 1)
            for side, upper in (("below", False), ("above", True))
            for name, residual in (
                ("stream function", _value),
                ("velocity", self._slope(axis, upper)),
            )
        )

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 2"]:
        return _spectral(self, self.checked(points))[:, 2:]

    def corners(self, point: Float[Array, "2"]) -> Float[Array, "1"]:
        """The stream function of `corner_stream` at both ends of the lid."""
        x, y = point
        return corner_streams(x, y, self.lid_speed, jnp)[0, 0][None]

    def _slope(self, axis: int, upper: bool) -> Callable:
        def residual(point, jet):
            lid = self.lid_speed * jnp.sin(np.pi * point[0]) if axis == 1 and upper else 0.0
            return jet.gradient[:1, axis] - lid

        return residual


class CavityVelocity(AbstractProblem):
    """The velocity of a `LidDrivenCavity`, to judge by: without divergence, and given on the walls.

    That does not make it a solution.
    """

    cavity: LidDrivenCavity
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)

    coordinates: ClassVar[tuple[Quantity, ...]] = LidDrivenCavity.coordinates
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"), Quantity("v", "1"))

    def __init__(self, cavity: LidDrivenCavity):
        self.cavity, self.lower, self.upper = cavity, cavity.lower, cavity.upper

    def residual(self, point: Float[Array, "2"], jet: Jet) -> Float[Array, "1"]:
        return (jet.gradient[0, 0] + jet.gradient[1, 1])[None]

    def conditions(self) -> tuple[Condition, ...]:
        def values(point):
            lid = self.cavity.lid_speed * jnp.sin(np.pi * point[0])
            return jnp.stack([jnp.where(point[1] == self.upper[1], lid, 0.0), jnp.zeros_like(lid)])

        return wall_conditions((0, 1), values)

    def solution(self, points: Float[np.ndarray, "points dims"]) -> Float[np.ndarray, "points 2"]:
        return _spectral(self.cavity, self.checked(points))[:, :2]


def _spectral(cavity: LidDrivenCavity, points: np.ndarray) -> np.ndarray:
    solver = ChebyshevCavity(float(cavity.viscosity), float(cavity.lid_speed))
    return solver(*points.T)


def _value(point: Float[Array, "2"], jet: Jet) -> Float[Array, "1"]:
    return jet.value[:1]

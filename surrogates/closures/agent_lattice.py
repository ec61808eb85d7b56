import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.spectral import SpectralGrid

from .periodic_spline import periodic_spline_matrix


class AgentLattice(eqx.Module):
    """Where the agents of a closure are: a regular lattice of grid points, the origin among them.

    What the agents decide is interpolated to the grid by the periodic bi-quadratic spline, as in
    Mojgani et al. 2023, arXiv 2312.00907.
    """

    shape: tuple[int, int] | None = eqx.field(static=True, default=(4, 4))
    """The number of agents along x and y, divisors of the grid's points; `None` is an agent at
    every grid point of any grid."""

    def __check_init__(self):
        if self.shape is not None and (len(self.shape) != 2 or min(self.shape) < 1):
            raise ClosuraxError(
                f"`shape` of an AgentLattice is {self.shape}; give two positive numbers of agents, "
                "or None for one at every grid point."
            )

    def shape_on(self, grid: SpectralGrid) -> tuple[int, int]:
        """The number of agents along x and y.

        Raises `GridMismatchError` unless the agents are on points of the grid.
        """
        if self.shape is None:
            return grid.shape
        if grid.nx % self.shape[0] or grid.ny % self.shape[1]:
            raise GridMismatchError(
                f"A lattice of {self.shape[0]} x {self.shape[1]} agents does not divide the "
                f"{grid.nx} x {grid.ny} grid; take numbers that do."
            )
        return self.shape

    def sample(
        self, grid: SpectralGrid, field: Float[Array, "*channel nx ny"]
    ) -> Float[Array, "*channel agents_x agents_y"]:
        """A field at the agents."""
        agents_x, agents_y = self.shape_on(grid)
        return field[..., :: grid.nx // agents_x, :: grid.ny // agents_y]

    def interpolate(
        self, grid: SpectralGrid, values: Float[Array, "*channel agents_x agents_y"]
    ) -> Float[Array, "*channel nx ny"]:
        """The spline through values at the agents."""
        agents_x, agents_y = self.shape_on(grid)
        along_y = self._interpolated(values, agents_y, grid.ny)
        along_x = self._interpolated(jnp.swapaxes(along_y, -1, -2), agents_x, grid.nx)
        return jnp.swapaxes(along_x, -1, -2)

    @staticmethod
    def _interpolated(values: Array, agents: int, points: int) -> Array:
        if agents == points:
            return values
        matrix: np.ndarray = periodic_spline_matrix(agents, points)
        return values @ jnp.asarray(matrix.T, values.dtype)

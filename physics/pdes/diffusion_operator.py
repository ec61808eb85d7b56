import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class DiffusionOperator(eqx.Module):
    r"""$u \mapsto -\nabla \cdot (a \nabla u)$ on the cells of the unit square, $u = 0$ around it.

    Conservative finite volumes with values at the cell centres. The coefficient on a face
    between two cells is the harmonic mean of theirs, which is exact for a jump on the face; on
    the wall it is the cell's own, and the wall is half a cell away. Second order, symmetric and
    positive definite for a positive coefficient.
    """

    across_x: Float[Array, "nx+1 ny"]
    """The coefficient on the faces that fluxes along x cross, over the distance and the width."""
    across_y: Float[Array, "nx ny+1"]

    def __init__(self, along_x: Float[Array, "nx ny"], along_y: Float[Array, "nx ny"]):
        """**Arguments:**

        - `along_x`, `along_y`: the coefficient for fluxes along x and along y in every cell.
        """
        self.across_x = _on_faces(along_x)
        self.across_y = _on_faces(along_y.T).T

    @property
    def shape(self) -> tuple[int, int]:
        return self.across_y.shape[0], self.across_x.shape[1]

    def __call__(self, u: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
        flux_x = self.across_x * jnp.diff(jnp.pad(u, ((1, 1), (0, 0))), axis=0)
        flux_y = self.across_y * jnp.diff(jnp.pad(u, ((0, 0), (1, 1))), axis=1)
        return -jnp.diff(flux_x, axis=0) - jnp.diff(flux_y, axis=1)

    def diagonal(self) -> Float[Array, "nx ny"]:
        """What the value of a cell contributes to its own residual."""
        return self.across_x[1:] + self.across_x[:-1] + self.across_y[:, 1:] + self.across_y[:, :-1]


def _on_faces(coefficient: Float[Array, "n m"]) -> Float[Array, "n+1 m"]:
    left, right = coefficient[:-1], coefficient[1:]
    inside = 2 * left * right / (left + right)
    faces = jnp.concatenate([2 * coefficient[:1], inside, 2 * coefficient[-1:]])
    return faces * coefficient.shape[0] ** 2

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Array, Float

from ..errors import DataError, GridMismatchError
from .points import nodes

# An element has corners in the order (0, 0), (0, 1), (1, 0), (1, 1): slices of the nodes, and
# bilinear functions that are products of linear ones.
_LOW, _HIGH = slice(None, -1), slice(1, None)
_CORNERS = ((_LOW, _LOW), (_LOW, _HIGH), (_HIGH, _LOW), (_HIGH, _HIGH))
_MASS_1D = np.array([[2.0, 1.0], [1.0, 2.0]]) / 6
_STIFFNESS_1D = np.array([[1.0, -1.0], [-1.0, 1.0]])
_GAUSS = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)
_SHAPE_1D = np.stack([1 - _GAUSS, _GAUSS], axis=1)
_SHAPES = np.kron(_SHAPE_1D, _SHAPE_1D)


class Helmholtz(eqx.Module):
    r"""Time-harmonic waves in a square with a variable wave speed, driven from one side.

    $$-\nabla^2 u - (\omega / c)^2 u = f, \qquad
    \partial_n u = q \text{ at } y = 1, \quad \partial_n u = 0 \text{ on the other sides},$$

    discretised by bilinear finite elements on `nx` by `ny` nodes $(i / (n_x - 1),
    j / (n_y - 1))$; $\omega / c$ is evaluated at 2 x 2 Gauss points an element. Fields hold the
    values at the nodes and are indexed `[x, y]`; all quantities are dimensionless.

    With the default frequency, on 101 x 101 nodes and with `q = window_flux(101)`, it is the
    benchmark of de Hoop, Huang, Qian and Stuart (2022, arXiv 2203.13181, section 4.2), where
    $c = 20 + \tanh(g)$. There, a wave has 12 points, which make it too short by 1 %, and without
    damping the square resonates: the solution on these nodes is far from the one on twice as
    many, and a surrogate of it is one of the discrete problem.
    """

    nx: int = eqx.field(static=True)
    ny: int = eqx.field(static=True)
    frequency: float

    def __init__(self, nx: int = 101, ny: int | None = None, frequency: float = 1000.0):
        r"""**Arguments:**

        - `nx`, `ny`: number of nodes, at least 2; `ny` defaults to `nx`.
        - `frequency`: the angular frequency $\omega$.
        """
        ny = nx if ny is None else ny
        if min(nx, ny) < 2:
            raise GridMismatchError(
                f"The Helmholtz equation needs at least 2 x 2 nodes, not {nx} x {ny}."
            )
        self.nx, self.ny, self.frequency = nx, ny, frequency

    @property
    def shape(self) -> tuple[int, int]:
        return self.nx, self.ny

    @property
    def x(self) -> Float[np.ndarray, " nx"]:
        return nodes(self.nx)

    @property
    def y(self) -> Float[np.ndarray, " ny"]:
        return nodes(self.ny)

    def apply(self, c: Float[Array, "nx ny"], u: Float[Array, "nx ny"]) -> Float[Array, "nx ny"]:
        """The left-hand side tested with the hat function of every node.

        It equals `load(f, q)` for the solution; differentiable and free of matrices.
        """
        self._check(c, "c")
        self._check(u, "u")
        # The elements are a leading axis of their four corners.
        corners_c, corners_u = _corners(c), _corners(u)
        shapes = jnp.asarray(_SHAPES, u.dtype)
        at_gauss = jnp.einsum("gc,cxy->gxy", shapes, corners_c)
        weighted = (self.frequency / at_gauss) ** 2 * jnp.einsum("gc,cxy->gxy", shapes, corners_u)
        mass = jnp.einsum("gc,gxy->cxy", shapes, weighted) * (self._element_area / 4)
        stiffness = jnp.einsum("cd,dxy->cxy", jnp.asarray(self._stiffness, u.dtype), corners_u)
        values = stiffness - mass
        result = jnp.zeros_like(u)
        for corner, value in zip(_CORNERS, values, strict=True):
            result = result.at[corner].add(value)
        return result

    def load(
        self,
        f: Float[Array | np.ndarray, "nx ny"] | None = None,
        q: Float[Array | np.ndarray, " edge"] | None = None,
    ) -> Float[np.ndarray, "nx ny"]:
        """The right-hand side tested with the hat function of every node.

        **Arguments:**

        - `f`: the source at the nodes; zero by default.
        - `q`: the normal derivative on each of the `nx - 1` edges at y = 1, such as its value at
            the midpoint or its mean; zero by default.
        """
        load = np.zeros(self.shape)
        if f is not None:
            self._check(f, "f")
            load += _mass_1d(self.nx) @ np.asarray(f, float) @ _mass_1d(self.ny)
        if q is not None:
            if q.shape != (self.nx - 1,):
                raise GridMismatchError(
                    f"`q` has shape {q.shape}, but y = 1 has {self.nx - 1} edges; give one value "
                    "an edge."
                )
            share = np.asarray(q, float) / (2 * (self.nx - 1))
            load[:-1, -1] += share
            load[1:, -1] += share
        return load

    def solve_sparse(
        self,
        c: Float[Array | np.ndarray, "nx ny"],
        f: Float[Array | np.ndarray, "nx ny"] | None = None,
        q: Float[Array | np.ndarray, " edge"] | None = None,
    ) -> Float[np.ndarray, "nx ny"]:
        """The solution by a sparse direct solver, in double precision and outside of jax.

        **Arguments:**

        - `c`: the wave speed at the nodes.
        - `f`, `q`: as in `load`.

        Raises `DataError` if `c` is not finite and positive.
        """
        self._check(c, "c")
        if not (np.isfinite(c).all() and np.min(c) > 0):
            raise DataError("`c` is not finite and positive everywhere; correct the wave speed.")
        factors = scipy.sparse.linalg.splu(self.matrix(c), permc_spec="MMD_AT_PLUS_A")
        return factors.solve(self.load(f, q).ravel()).reshape(self.shape)

    def matrix(self, c: Float[Array | np.ndarray, "nx ny"]) -> scipy.sparse.csc_matrix:
        """The matrix of `apply` for fields that are flattened with y running fastest."""
        c = np.asarray(c, float)
        corners = np.stack([c[corner] for corner in _CORNERS])
        squared = (self.frequency / np.einsum("gc,cxy->gxy", _SHAPES, corners)) ** 2
        mass = np.einsum("gxy,gc,gd->xycd", squared, _SHAPES, _SHAPES) * (self._element_area / 4)
        values = self._stiffness - mass
        node = np.arange(c.size).reshape(self.shape)
        index = np.stack([node[corner] for corner in _CORNERS], axis=-1)
        rows = np.broadcast_to(index[..., :, None], values.shape)
        columns = np.broadcast_to(index[..., None, :], values.shape)
        entries = (rows.ravel(), columns.ravel())
        return scipy.sparse.csc_matrix((values.ravel(), entries), shape=(c.size, c.size))

    @property
    def _element_area(self) -> float:
        return 1 / ((self.nx - 1) * (self.ny - 1))

    @property
    def _stiffness(self) -> Float[np.ndarray, "4 4"]:
        slenderness = (self.nx - 1) / (self.ny - 1)
        return (
            slenderness * np.kron(_STIFFNESS_1D, _MASS_1D)
            + np.kron(_MASS_1D, _STIFFNESS_1D) / slenderness
        )

    def _check(self, field: Array | np.ndarray, name: str) -> None:
        if field.shape != self.shape:
            raise GridMismatchError(
                f"`{name}` has shape {field.shape}, but this Helmholtz problem has {self.nx} x "
                f"{self.ny} nodes; resample the field or build the problem to match."
            )


def window_flux(nx: int, low: float = 0.35, high: float = 0.65) -> Float[np.ndarray, " edge"]:
    """The normal derivative 1 for `low` <= x <= `high` and 0 elsewhere, as the mean of each edge.

    The default is the side that drives the waves in de Hoop et al. (2022, arXiv 2203.13181).
    """
    ends = nodes(nx)
    covered = np.minimum(ends[1:], high) - np.maximum(ends[:-1], low)
    return np.clip(covered * (nx - 1), 0.0, 1.0)


def _corners(field: Float[Array, "nx ny"]) -> Float[Array, "4 ex ey"]:
    return jnp.stack([field[corner] for corner in _CORNERS])


def _mass_1d(count: int) -> scipy.sparse.csr_matrix:
    diagonal = np.full(count, 4.0)
    diagonal[[0, -1]] = 2.0
    beside = np.ones(count - 1)
    return scipy.sparse.diags([beside, diagonal, beside], [-1, 0, 1], format="csr") / (
        6 * (count - 1)
    )

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from closurax.physics.closures.eddy_viscosity import mean_product, strain_hat
from closurax.physics.errors import ClosuraxError
from closurax.physics.spectral import SpectralGrid

from .agent_lattice import AgentLattice
from .resolved_spectrum import resolved_spectrum, resolved_wavenumbers

_INVARIANTS = 6


class LocalInvariants(eqx.Module):
    r"""What an agent sees: derivatives of the velocity where it is, and the enstrophy spectrum.

    `kind="published"` are those of Mojgani et al. 2023, arXiv 2312.00907,

    $$\mathrm{tr}\, S, \quad \mathrm{tr}\, S^2, \quad \mathrm{tr}\, R^2$$

    of the symmetric and antisymmetric parts $S$ and $R$ of the velocity gradient, and the same
    three of the matrix of second derivatives $\begin{pmatrix} u_{xx} & v_{xx} \\ u_{yy} & v_{yy}
    \end{pmatrix}$. The first is zero, as the flow has no divergence. The last three are no
    invariants, as the second derivatives of a vector are no matrix: rotations by 90 degrees keep of
    them only $\mathrm{tr}\, S^2 - \mathrm{tr}\, R^2$, and rotations by 180 degrees all but the sign
    of the trace.

    `kind="isotropic"` are six that no rotation or reflection changes,

    $$|S|^2, \quad \omega^2, \quad |\nabla \omega|^2, \quad |\nabla \nabla \mathbf{u}|^2, \quad
    \nabla \omega \cdot S \cdot \nabla \omega, \quad
    \omega\, \nabla \omega \cdot S \cdot \nabla^\perp \omega,$$

    with $|S|^2 = 2 S_{ij} S_{ij}$ and $\nabla^\perp = (-\partial_y, \partial_x)$. Minus the fifth
    is how fast the flow sharpens the gradient: positive where enstrophy goes to smaller scales.

    After the six comes $\ln Z(k)$ of `resolved_spectrum`, the same for all agents.
    """

    kind: str = eqx.field(static=True, default="published")
    scale_free: bool = eqx.field(static=True, default=False)
    """Whether to measure in units of the domain means of the squares of the vorticity and its
    gradient, and the spectrum as fractions of the enstrophy. A closure that sees these, and
    returns coefficients without dimension, does not know how fast or large the flow is."""
    spectrum: str | None = eqx.field(static=True, default="axes")
    """`"axes"`, `"shells"`, or `None` for closures that see nothing but their place."""

    def __check_init__(self):
        if self.kind not in ("published", "isotropic"):
            raise ClosuraxError(
                f"LocalInvariants: `kind` is {self.kind!r}; it may be 'published' or 'isotropic'."
            )
        if self.spectrum not in ("axes", "shells", None):
            raise ClosuraxError(
                f"LocalInvariants: `spectrum` is {self.spectrum!r}; it may be 'axes', 'shells' or "
                "None."
            )

    def size(self, grid: SpectralGrid) -> int:
        """How many numbers each agent sees."""
        if self.spectrum is None:
            return _INVARIANTS
        return _INVARIANTS + resolved_wavenumbers(grid, self.spectrum).size

    def __call__(
        self, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"], lattice: AgentLattice
    ) -> Float[Array, "agents_x agents_y observation"]:
        """What each agent of the lattice sees.

        Raises `GridMismatchError` if a spectrum is wanted and the grid is not square, or the
        lattice does not fit the grid.
        """
        fields = lattice.sample(grid, grid.to_physical(_derivatives_hat(grid, vorticity_hat)))
        invariants = _INVARIANTS_OF[self.kind](fields)
        if self.scale_free:
            for scale in _scales(self.kind, grid, vorticity_hat):
                invariants = invariants / scale[:, None, None]
        local = jnp.moveaxis(invariants, 0, -1)
        if self.spectrum is None:
            return local
        values = resolved_spectrum(grid, vorticity_hat, self.spectrum)
        logarithm = jnp.log(_positive(values))
        if self.scale_free:
            logarithm = logarithm - jnp.log(_positive(jnp.sum(values)))
        shared = jnp.broadcast_to(logarithm[None, None], (*local.shape[:2], logarithm.size))
        return jnp.concatenate([local, shared], axis=-1)


def _derivatives_hat(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
) -> Complex[Array, "7 nx nk"]:
    """Strain, vorticity and $u_{xx}$, $v_{xx}$, $u_{yy}$, $v_{yy}$."""
    streamfunction_hat = grid.inverse_laplacian(vorticity_hat)
    u_hat = -grid.derivative_y(streamfunction_hat)
    v_hat = grid.derivative_x(streamfunction_hat)
    along_x, along_y = -(grid.kx**2), -(grid.ky**2)
    second = [grid.multiply(along, w) for along in (along_x, along_y) for w in (u_hat, v_hat)]
    strain = strain_hat(grid, vorticity_hat)
    return jnp.stack([*strain, vorticity_hat, *second])


def _published(fields: Float[Array, "7 *shape"]) -> Float[Array, "6 *shape"]:
    stretching, shear, vorticity, u_xx, v_xx, u_yy, v_yy = fields
    return jnp.stack(
        [
            jnp.zeros_like(vorticity),
            (stretching**2 + shear**2) / 2,
            -(vorticity**2) / 2,
            u_xx + v_yy,
            u_xx**2 + v_yy**2 + (v_xx + u_yy) ** 2 / 2,
            -((v_xx - u_yy) ** 2) / 2,
        ]
    )


def _isotropic(fields: Float[Array, "7 *shape"]) -> Float[Array, "6 *shape"]:
    stretching, shear, vorticity, u_xx, v_xx, u_yy, v_yy = fields
    # Without divergence the mixed derivatives are u_xy = -v_yy and v_xy = -u_xx.
    gradient_x, gradient_y = v_xx + v_yy, -u_xx - u_yy
    difference = gradient_x**2 - gradient_y**2
    product = 2 * gradient_x * gradient_y
    return jnp.stack(
        [
            stretching**2 + shear**2,
            vorticity**2,
            gradient_x**2 + gradient_y**2,
            v_xx**2 + u_yy**2 + 3 * (u_xx**2 + v_yy**2),
            (stretching * difference + shear * product) / 2,
            vorticity * (shear * difference - stretching * product) / 2,
        ]
    )


_INVARIANTS_OF = {"published": _published, "isotropic": _isotropic}

# The powers of the mean square of the vorticity and of its gradient in each of the six.
_POWERS = {
    "published": [(1, 0), (1, 0), (1, 0), (0, 0.5), (0, 1), (0, 1)],
    "isotropic": [(1, 0), (1, 0), (0, 1), (0, 1), (0.5, 1), (1, 1)],
}


def _scales(
    kind: str, grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"]
) -> tuple[Float[Array, "6"], Float[Array, "6"]]:
    """What to divide the six by, first by the one and then by the other."""
    mean_square = mean_product(grid, vorticity_hat, vorticity_hat)
    mean_gradient = mean_product(grid, vorticity_hat, -grid.laplacian(vorticity_hat))
    powers = jnp.asarray(np.asarray(_POWERS[kind]).T, mean_square.dtype)
    return _positive(mean_square) ** powers[0], _positive(mean_gradient) ** powers[1]


def _positive(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Without zeros, of which there is no logarithm."""
    return jnp.maximum(values, 1e-12)

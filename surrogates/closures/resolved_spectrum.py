import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from closurax.physics.diagnostics import enstrophy_density, shell_sum
from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.spectral import SpectralGrid

SPECTRA = ("axes", "shells")


def resolved_wavenumbers(grid: SpectralGrid, kind: str = "axes") -> Float[np.ndarray, " entries"]:
    """The wavenumbers of `resolved_spectrum`, in multiples of the smallest one."""
    _check(grid, kind)
    return np.arange(0 if kind == "axes" else 1, grid.last_shell + 1, dtype=float)


def resolved_spectrum(
    grid: SpectralGrid, vorticity_hat: Complex[Array, "nx nk"], kind: str = "axes"
) -> Float[Array, " entries"]:
    r"""The enstrophy spectrum in s-2 at the wavenumbers that a square grid resolves along an axis.

    **Arguments:**

    - `kind`: `"axes"` is the mean of the one-sided spectra along x and y from wavenumber 0, as
        `closurax.physics.diagnostics.one_dimensional_enstrophy_spectrum`; `"shells"` are the
        sums over shells of $|k|$ from wavenumber 1, as `enstrophy_spectrum`.

    Raises `GridMismatchError` unless the grid is square, `ClosuraxError` for another `kind`.
    """
    _check(grid, kind)
    last = grid.last_shell
    density = enstrophy_density(vorticity_hat, grid)
    if kind == "shells":
        return shell_sum(density, grid)[1 : last + 1]
    along_y = jnp.sum(density, axis=0)[: last + 1]
    both_signs = jnp.sum(density, axis=1)
    along_x = both_signs[: last + 1] + jnp.roll(both_signs[::-1], 1)[: last + 1]
    # One sign of the wavenumber only; wavenumber zero has no other.
    one_sided = np.full(last + 1, 0.5)
    one_sided[0] = 1.0
    mean = along_y * jnp.asarray(one_sided, density.dtype) + along_x / 2
    return mean / 2


def mean_resolved_spectrum(
    grid: SpectralGrid, vorticity: Float[Array | np.ndarray, "snapshot nx ny"], kind: str = "axes"
) -> Float[Array, " entries"]:
    """The mean of `resolved_spectrum` over vorticity fields in s-1 on the grid."""
    fields_hat = grid.to_spectral(jnp.asarray(vorticity))
    return jnp.mean(
        jax.vmap(lambda field: resolved_spectrum(grid, field, kind))(fields_hat), axis=0
    )


def _check(grid: SpectralGrid, kind: str) -> None:
    if kind not in SPECTRA:
        raise ClosuraxError(f"The spectrum is {kind!r}; it may be one of {SPECTRA}.")
    if (grid.nx, grid.length_x) != (grid.ny, grid.length_y):
        raise GridMismatchError(
            f"The resolved spectrum needs a square grid, not {grid.nx} x {grid.ny} points on "
            f"{grid.length_x:g} x {grid.length_y:g} m."
        )

"""The doubly periodic grid and the operations that are diagonal in its Fourier space."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from ..errors import GridMismatchError
from .diagonal_product import diagonal_product


class SpectralGrid(eqx.Module):
    """A doubly periodic grid of `nx` by `ny` points with the Fourier coefficients of `rfft2`.

    Physical fields are indexed `[x, y]`; spectral fields are the unnormalised coefficients of
    `jnp.fft.rfft2`, of shape `(nx, ny // 2 + 1)`. Fields keep their own precision: float32
    stays float32. Products of two resolved fields are free of aliasing if only the wavenumbers
    up to two thirds of the largest one are kept (Orszag 1971, J. Atmos. Sci. 28, 1074): those
    are the *resolved* wavenumbers.
    """

    nx: int = eqx.field(static=True)
    ny: int = eqx.field(static=True)
    length_x: float = eqx.field(static=True)
    length_y: float = eqx.field(static=True)

    def __init__(
        self,
        nx: int,
        ny: int | None = None,
        length_x: float = 2 * np.pi,
        length_y: float | None = None,
    ):
        """**Arguments:**

        - `nx`, `ny`: number of points; both even, at least 4. `ny` defaults to `nx`.
        - `length_x`, `length_y`: size of the domain in m. `length_y` defaults to `length_x`.
        """
        ny = nx if ny is None else ny
        length_y = length_x if length_y is None else length_y
        if min(nx, ny) < 4 or nx % 2 or ny % 2:
            raise GridMismatchError(f"A grid needs even sizes of at least 4, not {nx} x {ny}.")
        if not (length_x > 0 and length_y > 0):
            raise GridMismatchError(f"Domain lengths must be positive: {length_x}, {length_y}.")
        self.nx, self.ny, self.length_x, self.length_y = nx, ny, length_x, length_y

    @property
    def shape(self) -> tuple[int, int]:
        return self.nx, self.ny

    @property
    def spectral_shape(self) -> tuple[int, int]:
        return self.nx, self.ny // 2 + 1

    @property
    def x(self) -> Float[np.ndarray, " nx"]:
        return np.arange(self.nx) * (self.length_x / self.nx)

    @property
    def y(self) -> Float[np.ndarray, " ny"]:
        return np.arange(self.ny) * (self.length_y / self.ny)

    @property
    def spacing(self) -> float:
        """Geometric mean of the two grid spacings, the filter width of the eddy viscosities."""
        return float(np.sqrt(self.length_x * self.length_y / (self.nx * self.ny)))

    @property
    def area(self) -> float:
        return self.length_x * self.length_y

    @property
    def mode_x(self) -> Float[np.ndarray, "nx 1"]:
        """Integer wavenumbers along x."""
        return np.fft.fftfreq(self.nx, 1 / self.nx)[:, None]

    @property
    def mode_y(self) -> Float[np.ndarray, "1 nk"]:
        """Integer wavenumbers along y."""
        return np.fft.rfftfreq(self.ny, 1 / self.ny)[None, :]

    @property
    def kx(self) -> Float[np.ndarray, "nx 1"]:
        """Wavenumbers along x in rad m-1."""
        return self.mode_x * (2 * np.pi / self.length_x)

    @property
    def ky(self) -> Float[np.ndarray, "1 nk"]:
        """Wavenumbers along y in rad m-1."""
        return self.mode_y * (2 * np.pi / self.length_y)

    @property
    def k_squared(self) -> Float[np.ndarray, "nx nk"]:
        return self.kx**2 + self.ky**2

    @property
    def inverse_k_squared(self) -> Float[np.ndarray, "nx nk"]:
        """1 / k^2, and zero for the mean."""
        k_squared = self.k_squared
        k_squared[0, 0] = np.inf
        return 1 / k_squared

    @property
    def resolved(self) -> Bool[np.ndarray, "nx nk"]:
        """True for the wavenumbers that the 2/3 rule keeps."""
        return (np.abs(self.mode_x) <= (self.nx - 1) // 3) & (
            np.abs(self.mode_y) <= (self.ny - 1) // 3
        )

    @property
    def last_shell(self) -> int:
        """The last shell of wavenumbers that is resolved, in multiples of the smallest one."""
        return (min(self.shape) - 1) // 3

    @property
    def parseval_weight(self) -> Float[np.ndarray, "1 nk"]:
        """How often each stored coefficient occurs in the full plane, over (nx ny)^2.

        `sum(parseval_weight * abs(field_hat) ** 2)` is the domain mean of `field ** 2`.
        """
        weight = np.full((1, self.ny // 2 + 1), 2.0)
        weight[:, 0] = weight[:, -1] = 1.0
        return weight / (self.nx * self.ny) ** 2

    def check(self, field: Array | np.ndarray, name: str = "field") -> None:
        """Raises `GridMismatchError` unless the last two axes of `field` are this grid's."""
        if field.shape[-2:] != self.shape:
            raise GridMismatchError(
                f"{name} has shape {field.shape}, but the grid is {self.nx} x {self.ny} points; "
                "coarse-grain the field or build the grid to match."
            )

    def to_spectral(
        self, field: Float[Array | np.ndarray, "*batch nx ny"]
    ) -> Complex[Array, "*batch nx nk"]:
        self.check(field)
        return jnp.fft.rfft2(field)

    def to_physical(
        self, field_hat: Complex[Array, "*batch nx nk"]
    ) -> Float[Array, "*batch nx ny"]:
        return jnp.fft.irfft2(field_hat, s=self.shape)

    def multiply(
        self, factor: np.ndarray, field_hat: Complex[Array, "*batch nx nk"]
    ) -> Complex[Array, "*batch nx nk"]:
        """Multiplies by a real or complex diagonal operator, in the precision of the field."""
        return diagonal_product(factor, field_hat, self.spectral_shape)

    def truncate(self, field_hat: Complex[Array, "*batch nx nk"]) -> Complex[Array, "*batch nx nk"]:
        """Keeps the resolved wavenumbers only."""
        return self.multiply(self.resolved, field_hat)

    def derivative_x(
        self, field_hat: Complex[Array, "*batch nx nk"]
    ) -> Complex[Array, "*batch nx nk"]:
        return self.multiply(1j * _without_nyquist(self.kx, self.nx // 2, 0), field_hat)

    def derivative_y(
        self, field_hat: Complex[Array, "*batch nx nk"]
    ) -> Complex[Array, "*batch nx nk"]:
        return self.multiply(1j * _without_nyquist(self.ky, self.ny // 2, 1), field_hat)

    def laplacian(
        self, field_hat: Complex[Array, "*batch nx nk"]
    ) -> Complex[Array, "*batch nx nk"]:
        return self.multiply(-self.k_squared, field_hat)

    def inverse_laplacian(
        self, field_hat: Complex[Array, "*batch nx nk"]
    ) -> Complex[Array, "*batch nx nk"]:
        """Solves `laplacian(g) = field` with zero mean."""
        return self.multiply(-self.inverse_k_squared, field_hat)


def _without_nyquist(wavenumber: np.ndarray, index: int, axis: int) -> np.ndarray:
    # The derivative of the Nyquist mode is not representable on the grid; its phase is unknown.
    wavenumber = wavenumber.copy()
    np.moveaxis(wavenumber, axis, 0)[index] = 0.0
    return wavenumber

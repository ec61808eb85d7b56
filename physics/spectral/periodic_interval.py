"""The periodic grid on an interval and the operations that are diagonal in its Fourier space."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from ..errors import GridMismatchError
from .diagonal_product import diagonal_product


class PeriodicInterval(eqx.Module):
    """A periodic grid of `n` points with the Fourier coefficients of `rfft`.

    The one-dimensional companion of `SpectralGrid`: spectral fields are the unnormalised
    coefficients of `jnp.fft.rfft`, of shape `(n // 2 + 1,)`, fields keep their own precision, and
    the *resolved* wavenumbers are those up to two thirds of the largest one, among which
    products of two fields are free of aliasing (Orszag 1971, J. Atmos. Sci. 28, 1074).
    """

    n: int = eqx.field(static=True)
    length: float = eqx.field(static=True)

    def __init__(self, n: int, length: float = 2 * np.pi):
        """**Arguments:**

        - `n`: number of points; even, at least 4.
        - `length`: size of the domain in m.

        Raises `GridMismatchError` for other sizes.
        """
        if n < 4 or n % 2:
            raise GridMismatchError(f"An interval needs an even size of at least 4, not {n}.")
        if not length > 0:
            raise GridMismatchError(f"The length of an interval must be positive: {length}.")
        self.n, self.length = n, length

    @property
    def shape(self) -> tuple[int]:
        return (self.n,)

    @property
    def spectral_shape(self) -> tuple[int]:
        return (self.n // 2 + 1,)

    @property
    def x(self) -> Float[np.ndarray, " n"]:
        return np.arange(self.n) * self.spacing

    @property
    def spacing(self) -> float:
        return self.length / self.n

    @property
    def mode(self) -> Float[np.ndarray, " nk"]:
        """Integer wavenumbers."""
        return np.fft.rfftfreq(self.n, 1 / self.n)

    @property
    def k(self) -> Float[np.ndarray, " nk"]:
        """Wavenumbers in rad m-1."""
        return self.mode * (2 * np.pi / self.length)

    @property
    def k_squared(self) -> Float[np.ndarray, " nk"]:
        return self.k**2

    @property
    def inverse_k_squared(self) -> Float[np.ndarray, " nk"]:
        """1 / k^2, and zero for the mean."""
        k_squared = self.k_squared
        k_squared[0] = np.inf
        return 1 / k_squared

    @property
    def resolved(self) -> Bool[np.ndarray, " nk"]:
        """True for the wavenumbers that the 2/3 rule keeps."""
        return self.mode <= (self.n - 1) // 3

    @property
    def parseval_weight(self) -> Float[np.ndarray, " nk"]:
        """How often each stored coefficient occurs among all, over n^2.

        `sum(parseval_weight * abs(field_hat) ** 2)` is the mean of `field ** 2`.
        """
        weight = np.full(self.spectral_shape, 2.0)
        weight[0] = weight[-1] = 1.0
        return weight / self.n**2

    def check(self, field: Array | np.ndarray, name: str = "field") -> None:
        """Raises `GridMismatchError` unless the last axis of `field` is this grid's."""
        if field.shape[-1:] != self.shape:
            raise GridMismatchError(
                f"{name} has shape {field.shape}, but the interval has {self.n} points; "
                "resample the field or build the interval to match."
            )

    def to_spectral(self, field: Float[Array | np.ndarray, "*batch n"]) -> Complex[Array, "..."]:
        self.check(field)
        return jnp.fft.rfft(field)

    def to_physical(self, field_hat: Complex[Array, "*batch nk"]) -> Float[Array, "..."]:
        return jnp.fft.irfft(field_hat, n=self.n)

    def multiply(
        self, factor: np.ndarray, field_hat: Complex[Array, "*batch nk"]
    ) -> Complex[Array, "*batch nk"]:
        """Multiplies by a real or complex diagonal operator, in the precision of the field."""
        return diagonal_product(factor, field_hat, self.spectral_shape)

    def truncate(self, field_hat: Complex[Array, "*batch nk"]) -> Complex[Array, "*batch nk"]:
        """Keeps the resolved wavenumbers only."""
        return self.multiply(self.resolved, field_hat)

    def derivative(self, field_hat: Complex[Array, "*batch nk"]) -> Complex[Array, "*batch nk"]:
        # The derivative of the Nyquist mode is not representable on the grid.
        k = np.where(self.mode == self.n // 2, 0.0, self.k)
        return self.multiply(1j * k, field_hat)

    def laplacian(self, field_hat: Complex[Array, "*batch nk"]) -> Complex[Array, "*batch nk"]:
        return self.multiply(-self.k_squared, field_hat)

    def inverse_laplacian(
        self, field_hat: Complex[Array, "*batch nk"]
    ) -> Complex[Array, "*batch nk"]:
        """Solves `laplacian(g) = field` with zero mean."""
        return self.multiply(-self.inverse_k_squared, field_hat)

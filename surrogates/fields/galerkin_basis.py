from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Jet

from .at_points import compiled_at_points
from .features import AbstractFeatures


class GalerkinBasis(eqx.Module):
    r"""Orthonormal functions that span the same as some features, and their derivatives.

    With quadrature points $x_q$ and weights $\omega_q$ the eigenvalues that are not rounding of the
    matrix of products $\sum_q \omega_q \, \phi_m(x_q) \, \phi_n(x_q) = V \Lambda V^\top$ give
    functions $b = \phi \, V \Lambda^{-1/2}$ that are orthonormal, $\sum_q \omega_q \, b_m(x_q) \,
    b_n(x_q) = \delta_{mn}$; a second pass makes them so to rounding (Yamamoto et al. 2015,
    Electron. Trans. Numer. Anal. 44, 306). A function is projected on them by a product with a
    matrix.
    """

    points: Float[Array, "points space"]
    measure: Float[Array, " points"]
    """The weights of the quadrature."""
    value: Float[Array, "points modes"]
    gradient: Float[Array, "space points modes"]
    second: Float[Array, "space points modes"]
    mixing: Float[Array, "features modes"]
    """The weights of the features in each of the functions."""

    @classmethod
    def spanning(
        cls,
        features: AbstractFeatures,
        points: Float[np.ndarray, "points space"],
        measure: Float[np.ndarray, " points"],
        cutoff: float = 1e-7,
    ) -> Self:
        """**Arguments:**

        - `features`: functions of a point in space.
        - `points`, `measure`: of the quadrature; more points than features.
        - `cutoff`: directions in which the features are smaller than this part of their largest
            do not count. Products keep half of the digits.

        Raises `ClosuraxError` in single precision, for too few points, or if features are not
        finite.
        """
        jets = compiled_at_points(features.jet, jnp.asarray(points))
        if jets.value.dtype != np.float64:
            raise ClosuraxError(
                f"The features are {jets.value.dtype}; their span needs float64: "
                "jax.config.update('jax_enable_x64', True) before anything else."
            )
        found, count = jets.value.shape
        if found < count:
            raise ClosuraxError(f"There are {found} points for {count} features; take more points.")
        roots = np.sqrt(measure)[:, None]
        scaled = roots * np.asarray(jets.value)
        if not np.isfinite(scaled).all():
            raise ClosuraxError("The features are not finite at all points.")
        squares, directions = scipy.linalg.eigh(scaled.T @ scaled, check_finite=False)
        kept = squares > cutoff**2 * squares[-1]
        mixing = directions[:, kept] / np.sqrt(squares[kept])
        once = scaled @ mixing
        factor = scipy.linalg.cholesky(once.T @ once, check_finite=False)
        mixing = scipy.linalg.solve_triangular(factor, mixing.T, trans="T", check_finite=False).T
        return cls(
            jnp.asarray(points),
            jnp.asarray(measure),
            jnp.asarray(scaled @ mixing / roots),
            _mixed(jets.gradient, mixing),
            _mixed(jets.second, mixing),
            jnp.asarray(mixing),
        )

    def decaying(self) -> tuple[Self, Float[Array, " modes"]]:
        r"""The functions of the same span in which diffusion is diagonal, and their eigenvalues.

        They are those of the symmetric form $-\int \nabla u \cdot \nabla v \, dx$, none positive.
        """
        slopes = np.asarray(self.gradient) * np.sqrt(np.asarray(self.measure))[:, None]
        stacked = slopes.reshape(-1, self.modes)
        eigenvalues, rotation = scipy.linalg.eigh(stacked.T @ stacked)
        turned = jax.tree.map(lambda each: each @ rotation, (
            self.value, self.gradient, self.second, self.mixing,
        ))  # fmt: skip
        basis = type(self)(self.points, self.measure, *turned)
        return basis, -jnp.maximum(jnp.asarray(eigenvalues), 0)

    @property
    def modes(self) -> int:
        """How many functions there are."""
        return self.value.shape[1]

    def jet(self, coefficients: Float[Array, "modes fields"]) -> Jet:
        """The fields with these coefficients, at all points."""
        return Jet(
            self.value @ coefficients,
            jnp.moveaxis(self.gradient @ coefficients, 0, -1),
            jnp.moveaxis(self.second @ coefficients, 0, -1),
        )

    def projected(self, values: Float[Array, "points fields"]) -> Float[Array, "modes fields"]:
        """The coefficients of the nearest functions in the span."""
        return self.value.T @ (self.measure[:, None] * values)


def _mixed(derivatives: Array, mixing: np.ndarray) -> Array:
    by_axis = np.moveaxis(np.asarray(derivatives), -1, 0)
    return jnp.stack([jnp.asarray(np.ascontiguousarray(each) @ mixing) for each in by_axis])

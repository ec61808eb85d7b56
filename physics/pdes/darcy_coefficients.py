"""The random coefficients of the Darcy benchmarks of the operator-learning literature."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from .gaussian_random_field import CosineModes, GaussianRandomField


class AbstractCoefficient(eqx.Module):
    """A random positive function on the unit square; a key stands for one function."""

    @abstractmethod
    def __call__(
        self,
        x: Float[np.ndarray, " nx"],
        y: Float[np.ndarray, " ny"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "nx ny"]:
        """The coefficient of `key`, dimensionless, on the grid of the coordinates `x` and `y`."""


class TwoValuedCoefficient(AbstractCoefficient):
    """One value where a random field is not negative, another where it is."""

    field: GaussianRandomField
    above: float = 12.0
    below: float = 3.0

    def __call__(
        self,
        x: Float[np.ndarray, " nx"],
        y: Float[np.ndarray, " ny"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "nx ny"]:
        field = self.field(x, y, key=key)
        return jnp.where(field >= 0, self.above, self.below).astype(field.dtype)


def smooth_two_valued() -> TwoValuedCoefficient:
    r"""12 and 3, by the sign of $N(0, (-\nabla^2 + 9)^{-2})$.

    The "Darcy smooth" coefficient of Li et al. (2021, arXiv 2010.08895, section 5.2), with the
    values 12 and 3 of their published files.
    """
    return TwoValuedCoefficient(GaussianRandomField(alpha=2.0, tau=3.0))


def rough_two_valued() -> TwoValuedCoefficient:
    r"""12 and 2, by the sign of $N(0, (-\nabla^2 + 25)^{-2})$.

    The "Darcy rough" coefficient of He, Liu and Xu (2024, arXiv 2310.19809) and of Liu, Xu and
    Zhang (2022, arXiv 2210.10890).
    """
    field = GaussianRandomField(alpha=2.0, tau=5.0, modes=CosineModes(512))
    return TwoValuedCoefficient(field, above=12.0, below=2.0)


class TrigonometricCoefficient(AbstractCoefficient):
    r"""A product of oscillations on `scales` scales, each about half as long as the last one.

    $$a(x, y) = \prod_{k=1}^{6} \left(1 + \tfrac12 \cos(a_k \pi (x + y))\right)
    \left(1 + \tfrac12 \sin(a_k \pi (y - 3 x))\right), \qquad
    a_k \sim U(2^{k-1}, 1.5 \cdot 2^{k-1}).$$

    The "Darcy multiscale" coefficient of Liu, Xu and Zhang (2022, arXiv 2210.10890); their file
    is not public any more, so the formula is not checked against it. With six scales the
    largest value may be $3^{12}$ times the smallest one, and the shortest wave is about 0.01
    long: grids of fewer than some 500 points do not resolve it.
    """

    scales: int = eqx.field(static=True, default=6)

    def __call__(
        self,
        x: Float[np.ndarray, " nx"],
        y: Float[np.ndarray, " ny"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "nx ny"]:
        dtype = jnp.result_type(float)
        lowest = jnp.asarray(2.0 ** np.arange(self.scales), dtype)
        # Drawn in single precision, since double precision would draw other numbers.
        uniform = jax.random.uniform(key, (self.scales,), jnp.float32).astype(dtype)
        rate = (jnp.pi * lowest * (1 + 0.5 * uniform))[:, None, None]
        across = jnp.asarray(np.add.outer(x, y), dtype)[None]
        along = jnp.asarray(np.add.outer(-3 * x, y), dtype)[None]
        factors = (1 + 0.5 * jnp.cos(rate * across)) * (1 + 0.5 * jnp.sin(rate * along))
        return jnp.prod(factors, axis=0)

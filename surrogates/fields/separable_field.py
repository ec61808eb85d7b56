import functools
import operator
from collections.abc import Sequence
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Jet

from .field import AbstractField
from .gaussian_features import GaussianFeatures
from .linear_field import LinearField
from .network_field import NetworkField


class SeparableField(AbstractField):
    r"""A sum of products of functions of one coordinate each,

    $$u_f(x) = \sum_{r=1}^R \prod_d g_{d, rf}(x_d)$$

    (Cho et al. 2023, NeurIPS 36, 23761, equation 5). On a grid of $n^d$ points the functions are
    evaluated at $d \, n$ coordinates only, which is what `jets_on_axes` does.
    """

    factors: tuple[AbstractField, ...]
    """For each axis a field over a point of that one coordinate, with rank x fields values, those
    of the first rank first."""
    out_fields: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        zero = jnp.zeros(1)
        sizes = [jax.eval_shape(factor, zero).size for factor in self.factors]
        if not sizes or len(set(sizes)) > 1 or self.out_fields < 1 or sizes[0] % self.out_fields:
            raise ClosuraxError(
                f"The factors have {sizes} values; each must have the same multiple of "
                f"`out_fields` = {self.out_fields}."
            )

    @classmethod
    def of_networks(
        cls,
        lower: Sequence[float | int],
        upper: Sequence[float | int],
        out_fields: int = 1,
        *,
        rank: int = 32,
        width: int = 32,
        depth: int = 3,
        key: Key[Array, ""],
    ) -> Self:
        """A `NetworkField` for each axis, which is the published form.

        **Arguments:**

        - `lower`, `upper`: the ends of the box.
        - `rank`: $R$.
        - `width`, `depth`: of each network.
        """
        keys = jax.random.split(key, len(lower))
        factors = [
            NetworkField([low], [high], rank * out_fields, width=width, depth=depth, key=each)
            for low, high, each in zip(lower, upper, keys, strict=True)
        ]
        return cls(tuple(factors), out_fields)

    @classmethod
    def of_gaussians(
        cls,
        lower: Sequence[float | int],
        upper: Sequence[float | int],
        out_fields: int = 1,
        *,
        rank: int = 32,
        gaussians: int = 32,
        overlap: float = 1.5,
        key: Key[Array, ""],
    ) -> Self:
        """Sums of the same Gaussians for each axis, evenly spread, with random weights.

        **Arguments:**

        - `lower`, `upper`: the ends of the box.
        - `rank`: $R$.
        - `gaussians`: of each axis, at least 2.
        - `overlap`: their width over their spacing.

        Raises `ClosuraxError` for fewer Gaussians, or an overlap that is not positive.
        """
        if gaussians < 2 or overlap <= 0:
            raise ClosuraxError(
                f"`gaussians` = {gaussians} must be at least 2, and `overlap` = {overlap} positive."
            )
        factors = []
        for low, high, each in zip(lower, upper, jax.random.split(key, len(lower)), strict=True):
            centres = jnp.linspace(float(low), float(high), gaussians)[:, None]
            width = overlap * (high - low) / (gaussians - 1)
            features = GaussianFeatures(centres, jnp.full_like(centres, width))
            # Values of a factor are of the order of one over the root of the rank's d-th root.
            size = rank ** (-0.5 / len(lower)) / np.sqrt(2 * overlap)
            weights = float(size) * jax.random.normal(each, (gaussians, rank * out_fields))
            factors.append(LinearField(features, weights))
        return cls(tuple(factors), out_fields)

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        values = [
            self._by_rank(factor(point[axis : axis + 1]))
            for axis, factor in enumerate(self.factors)
        ]
        return jnp.sum(functools.reduce(operator.mul, values), axis=0)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        grid = self.jets_on_axes([coordinate[None] for coordinate in point])
        return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[point.size :]), grid)

    def jets_on_axes(self, axes: Sequence[Float[Array, " _"]]) -> Jet:
        """The values and derivatives at all points of a grid, `(*grid, fields)` and so on.

        **Arguments:**

        - `axes`: the coordinates of the grid along each axis.
        """
        jets = [
            jax.vmap(factor.jet)(axis[:, None])
            for factor, axis in zip(self.factors, axes, strict=True)
        ]
        values = [self._by_rank(jet.value) for jet in jets]

        def differentiated(axis: int, derivative: Array) -> Array:
            factors = [*values]
            factors[axis] = self._by_rank(derivative[..., 0])
            return _product(factors)

        gradient, second = (
            jnp.stack(
                [differentiated(axis, getattr(jet, order)) for axis, jet in enumerate(jets)],
                axis=-1,
            )
            for order in ("gradient", "second")
        )
        return Jet(_product(values), gradient, second)

    def _by_rank(self, values: Float[Array, "*points values"]) -> Float[Array, "*points rank _"]:
        return values.reshape(*values.shape[:-1], -1, self.out_fields)


def _product(factors: Sequence[Float[Array, "_ rank fields"]]) -> Float[Array, "*grid fields"]:
    """The sum over the rank of the outer products."""
    *first, last = factors
    if not first:
        return jnp.sum(last, axis=1)
    outer = first[0]
    for factor in first[1:]:
        outer = jnp.einsum("...rf,nrf->...nrf", outer, factor)
    return jnp.einsum("...rf,nrf->...nf", outer, last)

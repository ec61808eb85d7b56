import itertools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from closurax.physics.problems import Jet

from .features import AbstractFeatures


class ReflectedFeatures(AbstractFeatures):
    r"""Features minus their reflections in both faces of some axes, so that they vanish there,

    $$\phi_n(x) - \phi_n(2 l - x) - \phi_n(2 u - x) + \phi_n(x - 2 L) + \phi_n(x + 2 L)$$

    along one axis from $l$ to $u = l + L$, with the reflections of the reflections. Their second
    derivatives vanish on these faces, too, as those of a solution do that goes on as an odd
    function behind its walls. This is exact to rounding for features that are near the box and
    narrower than a quarter of it.
    """

    features: AbstractFeatures
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    axes: tuple[int, ...] = eqx.field(static=True)
    """On both of whose faces they vanish."""

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        def value(image, signs):
            return jnp.prod(signs) * self.features(image)

        return _sum(value, *self._images(point))

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        def jet(image, signs):
            found, sign = self.features.jet(image), jnp.prod(signs)
            return Jet(sign * found.value, sign * signs[None] * found.gradient, sign * found.second)

        return _sum(jet, *self._images(point))

    def _images(
        self, point: Float[Array, " dims"]
    ) -> tuple[Float[Array, "images dims"], Float[Array, "images dims"]]:
        """The point and its reflections, and -1 for each axis along which one is reflected."""
        offsets = [
            (0.0, 2 * low, 2 * high, 2 * (low - high), 2 * (high - low))
            if axis in self.axes
            else (0.0,)
            for axis, (low, high) in enumerate(zip(self.lower, self.upper, strict=True))
        ]
        signs = [(1.0, -1.0, -1.0, 1.0, 1.0)[: len(each)] for each in offsets]
        shift, sign = (
            jnp.asarray(np.array(list(itertools.product(*each))), point.dtype)
            for each in (offsets, signs)
        )
        return shift + sign * point[None], sign


def _sum(function: Callable, images: Array, signs: Array) -> PyTree[Array]:
    """One after the other: all of them at once would take many times the memory."""

    def add(total, each):
        return jax.tree.map(jnp.add, total, function(*each)), None

    first = function(images[0], signs[0])
    return jax.lax.scan(add, first, (images[1:], signs[1:]))[0]

from collections.abc import Sequence
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Jet

from .features import AbstractFeatures


class FourierFeatures(AbstractFeatures):
    r"""Cosines and sines of plane waves, $(\cos B x, \sin B x)$.

    With random $B$ in front of a network they let it learn what varies fast (Tancik et al. 2020,
    NeurIPS 33, 7537, equation 5). Frequencies along an axis that are multiples of $2 \pi$ over a
    period make whatever follows periodic.
    """

    frequencies: Float[Array, "waves dims"]
    """$B$, in radians per unit of each axis."""

    @classmethod
    def random(cls, waves: int, scales: Sequence[float], *, key: Key[Array, ""]) -> Self:
        """**Arguments:**

        - `waves`: their number; there are twice as many features.
        - `scales`: the standard deviation of the frequencies along each axis.

        Raises `ClosuraxError` for no waves, or negative scales.
        """
        if waves < 1 or not scales or min(scales) < 0:
            raise ClosuraxError(
                f"`waves` = {waves} must be at least 1, and `scales` = {tuple(scales)} one number "
                "for each axis, not negative."
            )
        draws = jax.random.normal(key, (waves, len(scales)))
        return cls(draws * jnp.asarray(scales, draws.dtype)[None])

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " features"]:
        phase = self.frequencies @ point
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)])

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        phase = self.frequencies @ point
        cosine, sine = jnp.cos(phase), jnp.sin(phase)
        value = jnp.concatenate([cosine, sine])
        gradient = jnp.concatenate([-sine, cosine])[:, None]
        twice = jnp.concatenate([self.frequencies, self.frequencies])
        return Jet(value, gradient * twice, -value[:, None] * twice**2)

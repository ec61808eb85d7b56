from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet, jet_at, jet_through

from .field import AbstractField


class FactoredField(AbstractField):
    r"""A known positive function times the exponential of a field, $u = u_0 \, e^g$."""

    known: Callable[[Array], Array]
    """$u_0$, a function of a point."""
    field: AbstractField
    """$g$."""

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        return self.known(point) * jnp.exp(self.field(point))

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        return jet_at(self.known, point) * jet_through(jnp.exp, self.field.jet(point))

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet, jet_at

from .field import AbstractField


class StreamVelocity(AbstractField):
    r"""The velocity $u = \partial_y \psi$, $v = -\partial_x \psi$."""

    field: AbstractField
    r"""$\psi$."""

    def __call__(self, point: Float[Array, "2"]) -> Float[Array, "2"]:
        psi_x, psi_y = self.field.jet(point).gradient[0]
        return jnp.stack([psi_y, -psi_x])

    def jet(self, point: Float[Array, "2"]) -> Jet:
        return jet_at(self, point)

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet, jet_at

from .features import AbstractFeatures
from .field import AbstractField


class LinearField(AbstractField):
    r"""A combination of features, $u(x) = u_0(x) + \sum_n w_n \phi_n(x)$.

    It is linear in its weights, so that they can be solved for: with `GaussianFeatures` it is the
    physics-informed Gaussian model without a network (Kang et al. 2024, arXiv 2412.05994, section
    4.3).
    """

    features: AbstractFeatures
    weights: Float[Array, "features fields"]
    offset: Callable[[Array], Array] | None = None
    """$u_0$, a function of a point; `None` is zero."""

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        value = self.features(point) @ self.weights
        return value if self.offset is None else value + self.offset(point)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        features = self.features.jet(point)
        jet = Jet(
            features.value @ self.weights,
            jnp.einsum("nd,nf->fd", features.gradient, self.weights),
            jnp.einsum("nd,nf->fd", features.second, self.weights),
        )
        if self.offset is None:
            return jet
        if isinstance(self.offset, AbstractField):
            return jet + self.offset.jet(point)
        return jet + jet_at(self.offset, point)

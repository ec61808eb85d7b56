from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Jet, jet_through

from .features import AbstractFeatures
from .field import AbstractField
from .full_gaussian_features import FullGaussianFeatures
from .gaussian_features import GaussianFeatures

_GAUSSIANS = {"diagonal": GaussianFeatures, "full": FullGaussianFeatures.along_axes}


class PIG(AbstractField):
    r"""Physics-informed Gaussians with a small network after them.

    $$f_k(x) = \sum_i w_{ki} G_{ki}(x), \qquad u(x) = W_2 \tanh(W_1 f + b_1) + b_2,$$

    with Gaussians of its own for each of the $K$ features (Kang et al. 2024, arXiv 2412.05994,
    equations 5 to 7). The derivatives of the Gaussians are in closed form, those of the network by
    the chain rule. Without the network it is a `LinearField`.
    """

    functions: AbstractFeatures
    """The Gaussians of all features, one feature after the other."""
    weights: Float[Array, "features gaussians"]
    network: eqx.nn.MLP
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    out_fields: int = eqx.field(static=True)
    features: int = eqx.field(static=True)
    gaussians: int = eqx.field(static=True)
    width: float = eqx.field(static=True)
    hidden: int = eqx.field(static=True)
    covariance: str = eqx.field(static=True)

    def __init__(
        self,
        lower: Sequence[float | int],
        upper: Sequence[float | int],
        out_fields: int = 1,
        *,
        features: int = 4,
        gaussians: int = 100,
        width: float = 0.1,
        hidden: int = 16,
        covariance: str = "diagonal",
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `lower`, `upper`: the box in which the centres start, uniformly random.
        - `out_fields`: number of fields.
        - `features`: inputs of the network, and `gaussians` of each of them.
        - `width`: of the Gaussians at the start, as a part of half the box's length on each axis.
        - `hidden`: units of the network.
        - `covariance`: of the Gaussians, `"diagonal"` or `"full"`.

        Raises `ClosuraxError` for sizes and covariances that there are not.
        """
        if min(features, gaussians, hidden, out_fields) < 1 or width <= 0:
            raise ClosuraxError(
                f"`features` = {features}, `gaussians` = {gaussians}, `hidden` = {hidden} and "
                f"`out_fields` = {out_fields} must be at least 1, and `width` = {width} positive."
            )
        if covariance not in _GAUSSIANS:
            raise ClosuraxError(
                f"`covariance` is {covariance!r}; it may be {' or '.join(map(repr, _GAUSSIANS))}."
            )
        self.lower, self.upper = tuple(map(float, lower)), tuple(map(float, upper))
        self.out_fields, self.features, self.gaussians = out_fields, features, gaussians
        self.width, self.hidden, self.covariance = width, hidden, covariance
        centre_key, weight_key, network_key = jax.random.split(key, 3)
        low, high = jnp.asarray(self.lower), jnp.asarray(self.upper)
        shape = (features * gaussians, len(self.lower))
        centres = jax.random.uniform(centre_key, shape, minval=low, maxval=high)
        widths = jnp.broadcast_to(width * (high - low) / 2, shape)
        self.functions = _GAUSSIANS[covariance](centres, widths)
        self.weights = 0.01 * jax.random.normal(weight_key, (features, gaussians))
        self.network = eqx.nn.MLP(features, out_fields, hidden, 1, jnp.tanh, key=network_key)

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        values = self.functions(point).reshape(self.weights.shape)
        return self.network(jnp.sum(self.weights * values, axis=-1))

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        gaussians = self.functions.jet(point)
        features = jax.tree.map(self._weighted, gaussians)
        return jet_through(self.network, features)

    def _weighted(self, values: Float[Array, "..."]) -> Float[Array, "..."]:
        separate = values.reshape(*self.weights.shape, *values.shape[1:])
        return jnp.einsum("kn,kn...->k...", self.weights, separate)

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Jet, jet_at, jet_through

from .checked_box import checked_box
from .features import AbstractFeatures
from .field import AbstractField


class NetworkField(AbstractField):
    r"""A multilayer perceptron with tanh as the field, as physics-informed networks are,

    $$u(x) = N(\phi(x)), \qquad \phi_d(x) = \frac{2 x_d - l_d - u_d}{u_d - l_d}
    \text{ if no features are given}$$

    (Raissi et al. 2019, J. Comput. Phys. 378, 686). Weights start as by Glorot and Bengio (2010),
    normally distributed; biases start at zero. The derivatives are by the chain rule, forward.
    """

    features: AbstractFeatures | None
    network: eqx.nn.MLP
    lower: tuple[float, ...] = eqx.field(static=True)
    upper: tuple[float, ...] = eqx.field(static=True)
    out_fields: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)

    def __init__(
        self,
        lower: Sequence[float | int],
        upper: Sequence[float | int],
        out_fields: int = 1,
        *,
        width: int = 64,
        depth: int = 4,
        features: AbstractFeatures | None = None,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `lower`, `upper`: the ends of the box.
        - `out_fields`: number of fields.
        - `width`, `depth`: units of a hidden layer, and number of those.
        - `features`: what the network reads in the place of the coordinates, such as
            `FourierFeatures`; functions of the point itself, not of the box.

        Raises `ClosuraxError` for numbers below 1, or an empty box.
        """
        if min(out_fields, width, depth) < 1:
            raise ClosuraxError(
                f"`out_fields` = {out_fields}, `width` = {width} and `depth` = {depth} must be at "
                "least 1."
            )
        self.lower, self.upper = checked_box(lower, upper)
        self.out_fields, self.width, self.depth = out_fields, width, depth
        self.features = features
        inputs = len(self.lower)
        if features is not None:
            inputs = jax.eval_shape(features, jnp.zeros(inputs)).size
        network_key, weight_key = jax.random.split(key)
        network = eqx.nn.MLP(inputs, out_fields, width, depth, jnp.tanh, key=network_key)
        self.network = eqx.tree_at(_arrays, network, _started(network, weight_key))

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        features = self._scaled if self.features is None else self.features
        return self.network(features(point))

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        if self.features is None:
            return jet_through(self.network, jet_at(self._scaled, point))
        return jet_through(self.network, self.features.jet(point))

    def _scaled(self, point: Float[Array, " dims"]) -> Float[Array, " dims"]:
        lower, upper = (jnp.asarray(ends, point.dtype) for ends in (self.lower, self.upper))
        return (2 * point - lower - upper) / (upper - lower)


def _arrays(network):
    return [array for layer in network.layers for array in (layer.weight, layer.bias)]


def _started(network: eqx.nn.MLP, key: Key[Array, ""]) -> list[Array]:
    draw = jax.nn.initializers.glorot_normal(in_axis=-1, out_axis=-2)
    arrays = []
    for layer, layer_key in zip(
        network.layers, jax.random.split(key, len(network.layers)), strict=True
    ):
        arrays += [
            draw(layer_key, layer.weight.shape, layer.weight.dtype),
            jnp.zeros(layer.weight.shape[0], layer.weight.dtype),
        ]
    return arrays

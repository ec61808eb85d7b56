import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError


class TanhNetwork(eqx.Module):
    """A multilayer perceptron with tanh between its layers, as policies and values have it."""

    layers: tuple[eqx.nn.Linear, ...]
    inputs: int = eqx.field(static=True)
    outputs: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    output_scale: float = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 128,
        depth: int = 2,
        output_scale: float = 1.0,
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `inputs`, `outputs`: how many numbers it maps to how many.
        - `width`: hidden variables of a layer.
        - `depth`: number of hidden layers; without any it is linear.
        - `output_scale`: of the initial weights of the last layer. The others are orthogonal
            matrices, those to hidden variables times $\\sqrt 2$; all biases are zero.
        """
        if min(inputs, outputs, width) < 1 or depth < 0:
            raise ClosuraxError(
                f"A TanhNetwork of {inputs} inputs, {outputs} outputs, `width` = {width} and "
                f"`depth` = {depth} is none: give positive numbers."
            )
        sizes = [inputs, *[width] * depth, outputs]
        scales = [2**0.5] * depth + [float(output_scale)]
        self.layers = tuple(
            _orthogonal(n, m, scale, k)
            for n, m, scale, k in zip(
                sizes[:-1], sizes[1:], scales, jax.random.split(key, depth + 1), strict=True
            )
        )
        self.inputs, self.outputs, self.width, self.depth = inputs, outputs, width, depth
        self.output_scale = float(output_scale)

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        for layer in self.layers[:-1]:
            x = jnp.tanh(layer(x))
        return self.layers[-1](x)


def _orthogonal(inputs: int, outputs: int, scale: float, key: Key[Array, ""]) -> eqx.nn.Linear:
    # Only the structure: nothing is drawn to be overwritten.
    layer = eqx.filter_eval_shape(eqx.nn.Linear, inputs, outputs, key=key)
    weight = jax.nn.initializers.orthogonal(scale)(key, layer.weight.shape, layer.weight.dtype)
    bias = jnp.zeros(layer.bias.shape, layer.bias.dtype)
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (weight, bias))

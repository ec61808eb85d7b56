"""The gradient of convolutions through time steps, with `convolve` and with derivatives of jax.

python benchmarks/convolution_gradient.py
"""

import jax
import jax.numpy as jnp
from jax import lax
from timing import interleaved_medians

from closurax.surrogates import convolve

_STEPS, _LAYERS, _SAMPLES, _POINTS, _CHANNELS = 4, 6, 8, 64, 16


def plain(field, kernel):
    layout = ("NXYC", "XYIO", "NXYC")
    convolved = lax.conv_general_dilated(
        field[None], kernel, (1, 1), "VALID", dimension_numbers=layout
    )
    return convolved[0]


def gradient(convolution):
    def step(fields, kernels):
        for kernel in kernels:
            padded = jnp.pad(fields, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
            fields = jnp.tanh(jax.vmap(convolution, (0, None))(padded, kernel))
        return fields

    def loss(kernels, fields):
        fields, _ = lax.scan(lambda fields, _: (step(fields, kernels), None), fields, None, _STEPS)
        return jnp.mean(fields**2)

    return jax.jit(jax.grad(loss))


def main() -> None:
    fields = jax.random.normal(jax.random.key(0), (_SAMPLES, _POINTS, _POINTS, _CHANNELS))
    kernels = 0.1 * jax.random.normal(jax.random.key(1), (_LAYERS, 3, 3, _CHANNELS, _CHANNELS))
    runs = {
        name: lambda compiled=gradient(convolution): compiled(kernels, fields)
        for name, convolution in (("jax", plain), ("convolve", convolve))
    }
    seconds = interleaved_medians(runs, 5)
    print(
        f"{_STEPS} steps of {_LAYERS} convolutions, {_SAMPLES} x {_POINTS} x {_POINTS} points, "
        f"{_CHANNELS} channels: {seconds['jax']:.2f} s with derivatives of jax, "
        f"{seconds['convolve']:.2f} s with convolve, ratio "
        f"{seconds['jax'] / seconds['convolve']:.1f}"
    )


if __name__ == "__main__":
    main()

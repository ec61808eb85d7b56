"""A convolution whose derivatives are fast on CPUs, too.

XLA has fast convolutions on CPUs only for fields with their channels last and kernels with the
outputs last. It rearranges others first, but not those inside a loop, where they take about
ten times as long (https://github.com/jax-ml/jax/issues/12868). So the derivatives are written such
that they have this layout.
"""

from itertools import product
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Rows of padding. Without any XLA takes twice as long on CPUs (jax 0.10).
_FAST = 1
# Up to so many outputs a convolution is the faster derivative with respect to the kernel.
_FEW_OUTPUTS = 4096
# Of a block: the patches of several samples side by side fit into a cache.
_BLOCK_OUTPUTS = 256


@eqx.filter_custom_jvp
def convolve(
    field: Float[Array, "*points in_channels"],
    kernel: Float[Array, "*taps in_channels out_channels"],
) -> Float[Array, "*outputs out_channels"]:
    """The correlation of a field with a kernel in one to three dimensions, without padding.

    An axis of `n` points and a kernel of `k` taps give `n - k + 1` outputs.
    """
    return _correlation(field[None], kernel, ("N*C", "*IO", "N*C"), _FAST)[0]


@convolve.def_jvp
def _convolve_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array | None, Array | None]
) -> tuple[Array, Array | None]:
    (field, kernel), (field_tangent, kernel_tangent) = primals, tangents
    outputs = convolve(field, kernel)
    changes = []
    if field_tangent is not None:
        changes.append(_linear_in_field(field_tangent, kernel))
    if kernel_tangent is not None:
        many = prod(outputs.shape[:-1]) > _FEW_OUTPUTS and jax.default_backend() == "cpu"
        linear_in_kernel = _linear_in_blocks if many else _linear_in_kernel
        changes.append(linear_in_kernel(field, kernel_tangent))
    return outputs, sum(changes[1:], start=changes[0]) if changes else None


def _linear_in_field(
    field: Float[Array, "*points in_channels"],
    kernel: Float[Array, "*taps in_channels out_channels"],
) -> Float[Array, "*outputs out_channels"]:
    """Equals `convolve`. Transposed with respect to the field it has the layout of XLA."""
    return _correlation(field[None], kernel.swapaxes(-1, -2), ("N*C", "*OI", "N*C"), 0)[0]


def _linear_in_kernel(
    field: Float[Array, "*points in_channels"],
    kernel: Float[Array, "*taps in_channels out_channels"],
) -> Float[Array, "*outputs out_channels"]:
    """Equals `convolve`. Transposed with respect to the kernel it has the layout of XLA."""
    fields, kernels = jnp.moveaxis(field, -1, 0)[..., None], jnp.moveaxis(kernel, -2, 0)
    return _correlation(fields, kernels, ("C*N", "I*O", "*NC"), _FAST).squeeze(-2)


def _correlation(fields: Array, kernel: Array, layout: tuple[str, str, str], padding: int) -> Array:
    """With the layouts of fields, kernel and outputs, in which `*` are the axes of space.

    `padding` is a number of rows that are added, and taken off again.
    """
    space = "XYZ"[: fields.ndim - 2]
    of_fields, of_kernel, of_outputs = (axes.replace("*", space) for axes in layout)
    result = lax.conv_general_dilated(
        fields,
        kernel,
        (1,) * len(space),
        [(0, padding)] + [(0, 0)] * (len(space) - 1),
        dimension_numbers=(of_fields, of_kernel, of_outputs),
    )
    axis = of_outputs.index("X")
    return lax.slice_in_dim(result, 0, result.shape[axis] - padding, axis=axis)


def _linear_in_blocks(
    field: Float[Array, "*points in_channels"],
    kernel: Float[Array, "*taps in_channels out_channels"],
) -> Float[Array, "*outputs out_channels"]:
    """Equals `convolve`, as products of matrices, one for each block of rows.

    For many points its transpose with respect to the kernel is several times as fast as that of a
    convolution. The patches, which the taps see at each output, are made once more for it: all
    together they would take as much memory as there are taps.
    """
    *taps, _, out_channels = kernel.shape
    outputs = [size - width + 1 for size, width in zip(field.shape[:-1], taps, strict=True)]
    rows = min(max(1, _BLOCK_OUTPUTS // prod(outputs[1:])), outputs[0])
    blocks = -(-outputs[0] // rows)
    beyond = blocks * rows - outputs[0]
    padded = jnp.pad(field, [(0, beyond)] + [(0, 0)] * (field.ndim - 1))
    matrix = kernel.reshape(-1, out_channels)

    @jax.checkpoint
    def block(first: Array) -> Array:
        part = lax.dynamic_slice_in_dim(padded, first, rows + taps[0] - 1)
        sizes = rows, *outputs[1:]
        patches = [
            part[tuple(slice(t, t + size) for t, size in zip(tap, sizes, strict=True))]
            for tap in product(*map(range, taps))
        ]
        return jnp.concatenate(patches, axis=-1) @ matrix

    result = lax.map(block, rows * jnp.arange(blocks))
    return result.reshape(blocks * rows, *outputs[1:], out_channels)[: outputs[0]]

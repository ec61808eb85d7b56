import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from closurax.physics.errors import ClosuraxError
from closurax.surrogates.convolve import convolve
from closurax.surrogates.operators.boundary import boundary_sides, extend
from closurax.surrogates.operators.convolution_layer import (
    CoarseningLayer,
    ConvolutionLayer,
    RefiningLayer,
)
from closurax.surrogates.operators.strided_convolution import gather, spread

SIZES = [(6,), (4, 6), (4, 2, 6)]


def fields_and_kernel(getkey, sizes, taps):
    field = jax.random.normal(getkey(), (*sizes, 2))
    kernel = jax.random.normal(getkey(), (*(taps,) * len(sizes), 2, 3))
    return field, kernel


def correlated(field, kernel):
    channels = range(kernel.shape[-1])
    return np.stack(
        [
            sum(
                scipy.signal.correlate(field[..., i], kernel[..., i, o], mode="valid")
                for i in range(kernel.shape[-2])
            )
            for o in channels
        ],
        axis=-1,
    )


@pytest.mark.parametrize("sizes", [(6,), (5, 7), (4, 3, 5)])
def test_convolve_equals_scipy(getkey, sizes):
    field, kernel = fields_and_kernel(getkey, sizes, 3)
    expected = correlated(np.asarray(field), np.asarray(kernel))
    np.testing.assert_allclose(jax.jit(convolve)(field, kernel), expected, atol=2e-5)


# Of many points the derivative with respect to the kernel is computed in blocks.
@pytest.mark.parametrize("sizes", [(7,), (5, 8), (4, 3, 5), (5000,), (67, 65), (17, 18, 19)])
def test_derivatives_equal_those_of_a_convolution(getkey, sizes):
    rank = len(sizes)
    shape = (2, *sizes, 2)
    fields, kernel = jax.random.normal(getkey(), shape), fields_and_kernel(getkey, sizes, 3)[1]

    def by_xla(field, kernel):
        dims = ("NXYZ"[: rank + 1] + "C", "XYZ"[:rank] + "IO", "NXYZ"[: rank + 1] + "C")
        return jax.lax.conv_general_dilated(
            field[None], kernel, (1,) * rank, "VALID", dimension_numbers=dims
        )[0]

    def derivatives(convolved):
        batch = jax.vmap(convolved, (0, None))
        outputs, transposed = jax.vjp(batch, fields, kernel)
        along = jax.jvp(batch, (fields, kernel), (fields[::-1], kernel[::-1]))[1]
        return outputs, transposed(jnp.cos(outputs)), along

    found, expected = jax.jit(lambda: (derivatives(convolve), derivatives(by_xla)))()
    for ours, xla in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, xla, atol=2e-5 * np.abs(xla).max())


@pytest.mark.parametrize("sizes", [(7,), (5, 8)])
def test_derivatives_in_a_loop_have_the_layout_that_is_fast_on_cpus(getkey, sizes):
    """That is batch, space, channels for fields, and space, inputs, outputs for kernels."""
    fields = jax.random.normal(getkey(), (3, *sizes, 2))
    kernel = jax.random.normal(getkey(), (*(3,) * len(sizes), 2, 2))

    def loss(fields, kernel):
        def step(total, each):
            return total + jnp.sum(jnp.sin(jax.vmap(convolve, (0, None))(each[None], kernel))), None

        return jax.lax.scan(step, 0.0, fields)[0]

    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(fields, kernel).compile().as_text()
    layouts = set(re.findall(r"convolution\(.*dim_labels=(\w+->\w+)", compiled))
    space = "012"[: len(sizes)]
    assert layouts == {f"b{space}f_{space}io->b{space}f"}


@pytest.mark.parametrize("sizes", SIZES)
def test_gather_equals_every_second_point_of_the_correlation(getkey, sizes):
    field, kernel = fields_and_kernel(getkey, sizes, 4)
    padded = np.pad(np.asarray(field), [(1, 1)] * len(sizes) + [(0, 0)])
    expected = correlated(padded, np.asarray(kernel))[(slice(None, None, 2),) * len(sizes)]
    np.testing.assert_allclose(jax.jit(gather)(jnp.asarray(padded), kernel), expected, atol=5e-5)


@pytest.mark.parametrize("sizes", SIZES)
def test_spread_equals_scattering_point_by_point(getkey, sizes):
    field, kernel = fields_and_kernel(getkey, sizes, 4)
    rank = len(sizes)
    everywhere = np.zeros((*(2 * size + 2 for size in sizes), 3))
    for point in np.ndindex(sizes):
        for tap in itertools.product(range(4), repeat=rank):
            target = tuple(2 * i + t for i, t in zip(point, tap, strict=True))
            everywhere[target] += np.asarray(field)[point] @ np.asarray(kernel)[tap]
    expected = everywhere[(slice(2, -2),) * rank]
    np.testing.assert_allclose(jax.jit(spread)(field, kernel), expected, atol=2e-5)


@pytest.mark.parametrize(
    "boundary, points, expected",
    [
        ("periodic", "cells", [2, 3, 1, 2, 3, 1, 2]),
        ("dirichlet", "cells", [-2, -1, 1, 2, 3, -3, -2]),
        ("neumann", "cells", [2, 1, 1, 2, 3, 3, 2]),
        ("zero", "cells", [0, 0, 1, 2, 3, 0, 0]),
        ("dirichlet", "nodes", [-1, 0, 1, 2, 3, 0, -3]),
        ("neumann", "nodes", [3, 2, 1, 2, 3, 2, 1]),
        ([("dirichlet", "neumann")], "cells", [-2, -1, 1, 2, 3, 3, 2]),
        ([("neumann", "zero")], "nodes", [3, 2, 1, 2, 3, 0, 0]),
    ],
)
def test_extension(boundary, points, expected):
    field = jnp.asarray([[1.0], [2.0], [3.0]])
    extended = extend(field, [(2, 2)], boundary_sides(boundary, 1), points)
    np.testing.assert_array_equal(extended[:, 0], expected)


def test_corners_are_extended_along_both_axes():
    field = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])[..., None]
    sides = boundary_sides(["dirichlet", "periodic"], 2)
    extended = extend(field, [(1, 1), (1, 1)], sides, "cells")[..., 0]
    expected = [[-2, -1, -2, -1], [2, 1, 2, 1], [4, 3, 4, 3], [-4, -3, -4, -3]]
    np.testing.assert_array_equal(extended, expected)


@pytest.mark.parametrize(
    "boundary, said",
    [
        ("robin", "robin"),
        (["periodic"], "1 axes"),
        ([("periodic", "neumann"), "zero"], "periodic"),
        ([("zero",), "zero"], "two sides"),
    ],
)
def test_refuses_boundaries(boundary, said):
    with pytest.raises(ClosuraxError, match=said):
        boundary_sides(boundary, 2)


@pytest.mark.parametrize("size", [7, 8])
def test_layers_between_grids_fit_together(getkey, size):
    sides = boundary_sides("dirichlet", 1)
    field = jax.random.normal(getkey(), (size, 2))
    coarse = CoarseningLayer(2, 3, sides, key=getkey())(field)
    assert coarse.shape == (4, 3)
    assert RefiningLayer(3, 2, sides, key=getkey())(coarse, (size,)).shape == (size, 2)


@pytest.mark.parametrize("layer", [ConvolutionLayer, CoarseningLayer])
@pytest.mark.parametrize("boundary, parity", [("dirichlet", -1), ("neumann", 1)])
def test_layers_see_the_field_beyond_the_sides(getkey, layer, boundary, parity):
    # Beside a wall a field looks as in the middle of its odd or even extension.
    field = jax.random.normal(getkey(), (8, 2))
    doubled = jnp.concatenate([parity * field[::-1], field])
    at_wall = layer(2, 3, boundary_sides(boundary, 1), key=(key := getkey()))(field)
    inside = layer(2, 3, boundary_sides("periodic", 1), key=key)(doubled)
    np.testing.assert_allclose(at_wall[:3], inside[len(inside) // 2 :][:3], atol=1e-6)


def test_layers_keep_the_variance(getkey):
    # Up to the gain, the square root of two before an activation.
    sides = boundary_sides("periodic", 2)
    field = jax.random.normal(getkey(), (16, 16, 64))
    for layer in (ConvolutionLayer, CoarseningLayer):
        deviation = float(jnp.std(layer(64, 64, sides, key=getkey())(field)))
        assert deviation == pytest.approx(2**0.5, rel=0.1)
    deviation = float(jnp.std(RefiningLayer(64, 64, sides, key=getkey())(field, (32, 32))))
    assert deviation == pytest.approx(1, rel=0.1)

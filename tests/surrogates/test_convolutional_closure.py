from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.datasets.normalisers import Standardiser
from closurax.physics.closures import Smagorinsky
from closurax.physics.errors import ClosuraxError, GridMismatchError, SchemeMismatchError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity
from closurax.surrogates import ConvolutionalClosure, SymmetrisedClosure
from closurax.surrogates.closures import PeriodicConvolution

GRID = SpectralGrid(16)


def fields(key, grid=GRID):
    vorticity, streamfunction = jax.random.normal(key, (2, *grid.shape))
    return {"vorticity": 6 * vorticity, "streamfunction": streamfunction, "grid": grid}


@cache
def closure():
    return ConvolutionalClosure(
        width=4,
        depth=3,
        kernel_size=3,
        input_normaliser=Standardiser(jnp.array([0.5, -0.2]), jnp.array([6.0, 0.5])),
        output_normaliser=Standardiser(jnp.array([0.3]), jnp.array([2.0])),
        key=jax.random.key(3),
    )


@eqx.filter_jit
def tendency_of(scheme, inputs):
    return scheme.tendencies(inputs)["vorticity_tendency"]


def moved(inputs, move):
    return {k: v if k == "grid" else move(v) for k, v in inputs.items()}


def test_layer_equals_a_direct_sum(getkey):
    layer = PeriodicConvolution(2, 3, 3, key=getkey())
    field = jax.random.normal(getkey(), (5, 4, 2))
    result = np.asarray(layer(field))
    expected = np.zeros((5, 4, 3))
    for i, j in np.ndindex(5, 4):
        for a, b in np.ndindex(3, 3):
            neighbour = np.asarray(field)[(i + a - 1) % 5, (j + b - 1) % 4]
            expected[i, j] += neighbour @ np.asarray(layer.kernel)[a, b]
    np.testing.assert_allclose(result, expected + np.asarray(layer.bias), atol=1e-5)


def test_commutes_with_translations(getkey):
    scheme, inputs = closure(), fields(getkey())
    roll = lambda field: jnp.roll(field, (3, -5), (0, 1))  # noqa: E731
    direct = tendency_of(scheme, moved(inputs, roll))
    after = roll(tendency_of(scheme, inputs))
    np.testing.assert_allclose(direct, after, atol=1e-5)
    assert jnp.std(after) > 0.1


def test_zero_mean_and_precision(getkey):
    tendency = tendency_of(closure(), fields(getkey()))
    assert tendency.dtype == jnp.float32
    assert abs(float(jnp.mean(tendency))) < 1e-6 * float(jnp.std(tendency))


def test_single_precision_network_in_double_precision_fields(getkey):
    scheme = closure()
    with jax.enable_x64(True):
        check_double_precision_fields(scheme, fields(getkey()))


def check_double_precision_fields(scheme, inputs):
    assert inputs["vorticity"].dtype == jnp.float64
    assert scheme.layers[0].kernel.dtype == jnp.float32
    tendency = tendency_of(scheme, inputs)
    assert tendency.dtype == jnp.float64
    single = tendency_of(scheme, moved(inputs, lambda x: x.astype(jnp.float32)))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(tendency, single, atol=1e-5)


def test_reference_network_of_guan():
    scheme = eqx.filter_eval_shape(
        ConvolutionalClosure, width=64, depth=10, kernel_size=5, key=jax.random.key(0)
    )
    shapes = [layer.kernel.shape for layer in scheme.layers]
    assert shapes == [(5, 5, 2, 64)] + 8 * [(5, 5, 64, 64)] + [(5, 5, 64, 1)]


def test_runs_under_vmap_in_the_slot_of_a_model(getkey):
    model = BarotropicVorticity(GRID).replace(subgrid=closure())
    vorticity = 6 * jax.random.normal(getkey(), (2, *GRID.shape))
    states = model.initial_state(vorticity)

    def subgrid(state):
        return model.call_schemes(0.0, state, model.initial_memory(state))[0]

    together = jax.jit(jax.vmap(subgrid))(states)
    alone = jnp.stack([jax.jit(subgrid)(state) for state in states])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-2)
    assert float(jnp.max(jnp.abs(together))) > 1.0


def test_reads_only_the_chosen_inputs(getkey):
    scheme = ConvolutionalClosure(depth=1, kernel_size=1, inputs=("vorticity",), key=getkey())
    assert [quantity.name for quantity in scheme.reads] == ["vorticity"]
    inputs = fields(getkey())
    del inputs["streamfunction"]
    assert tendency_of(scheme, inputs).shape == GRID.shape


@pytest.mark.parametrize(
    "options, said",
    [
        ({"kernel_size": 4}, "kernel_size"),
        ({"depth": 0}, "depth"),
        ({"width": 0}, "channel"),
        ({"activation": "sigmoid"}, "activation"),
        ({"inputs": ("velocity",)}, "inputs"),
        ({"input_normaliser": Standardiser(jnp.zeros(3), jnp.ones(3))}, "input_normaliser"),
    ],
)
def test_refuses(options, said):
    with pytest.raises(ClosuraxError, match=said):
        ConvolutionalClosure(**{"width": 2, "depth": 2, **options}, key=jax.random.key(0))


def rotated(field):
    return jnp.rot90(field)


def reflected(field):
    return -jnp.roll(field[::-1], 1, 0)


@pytest.mark.parametrize("turn", [rotated, reflected, lambda field: -field.T])
def test_symmetrised_commutes_with_rotations_and_reflections(getkey, turn):
    plain, inputs = closure(), fields(getkey())
    symmetrised = SymmetrisedClosure(plain)
    assert symmetrised.reads == plain.reads and symmetrised.returns == plain.returns

    def mismatch(scheme):
        first = tendency_of(scheme, moved(inputs, turn))
        second = turn(tendency_of(scheme, inputs))
        return float(jnp.max(jnp.abs(first - second)) / jnp.std(second))

    assert mismatch(symmetrised) < 1e-5
    assert mismatch(plain) > 0.1


def test_symmetrising_twice_changes_nothing(getkey):
    once, inputs = SymmetrisedClosure(closure()), fields(getkey())
    twice = SymmetrisedClosure(once)
    np.testing.assert_allclose(
        tendency_of(twice, inputs),
        tendency_of(once, inputs),
        atol=1e-5,
    )


def test_symmetrised_refuses_what_it_cannot_turn(getkey):
    with pytest.raises(SchemeMismatchError, match="spectral_vorticity"):
        SymmetrisedClosure(Smagorinsky())
    grid = SpectralGrid(16, 8)
    with pytest.raises(GridMismatchError, match="square"):
        SymmetrisedClosure(closure()).tendencies(fields(getkey(), grid))

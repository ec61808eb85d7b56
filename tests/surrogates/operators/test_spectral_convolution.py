import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.surrogates.operators.spectral_convolution import SpectralConvolution


def layer(modes, seed=3):
    return SpectralConvolution(2, 3, modes, 0.5, key=jax.random.key(seed))


def waves(sizes, wavenumbers, amplitudes):
    """A sum of waves, for two channels, at the points `i / n` of the unit cube."""
    points = np.meshgrid(*(np.arange(size) / size for size in sizes), indexing="ij")
    total = np.zeros((2, *sizes))
    for wavenumber, amplitude in zip(wavenumbers, amplitudes, strict=True):
        phase = 2j * np.pi * sum(k * x for k, x in zip(wavenumber, points, strict=True))
        total += (amplitude[(slice(None), *(None,) * len(sizes))] * np.exp(phase)).real
    return jnp.asarray(total, jnp.float32)


def multiplied(convolution, wavenumbers, amplitudes):
    """The amplitudes after multiplication by the kernel at their wavenumbers."""
    kernel = np.asarray(convolution.kernel, float) @ np.array([1, 1j])
    return [
        np.einsum("i,io->o", amplitude, kernel[tuple(k)])
        for k, amplitude in zip(wavenumbers, amplitudes, strict=True)
    ]


@pytest.mark.parametrize(
    "modes, sizes, wavenumbers",
    [
        ((4,), (9,), [(1,), (3,)]),
        ((2, 4), (6, 8), [(1, 2), (-2, 3), (-1, 1), (0, 1)]),
        ((2, 1, 2), (5, 4, 5), [(1, 0, 1), (-2, -1, 1), (-1, 0, 1)]),
    ],
)
def test_multiplies_waves(modes, sizes, wavenumbers):
    convolution = layer(modes)
    rng = np.random.default_rng(0)
    amplitudes = rng.normal(size=(len(wavenumbers), 2, 2)) @ np.array([1, 1j])
    result = eqx.filter_jit(convolution)(waves(sizes, wavenumbers, amplitudes))
    products = multiplied(convolution, wavenumbers, amplitudes)
    expected = [waves(sizes, wavenumbers, [p[pair] for p in products]) for pair in ([0, 1], [2, 2])]
    np.testing.assert_allclose(result, jnp.concatenate([expected[0], expected[1][:1]]), atol=2e-5)


def test_leaves_out_all_other_waves():
    # Along the last axis -2 and 2 are conjugates, along the first they are two.
    others = [(2, 1), (-3, 1), (0, 3), (1, 4)]
    amplitudes = np.ones((4, 2), complex)
    result = eqx.filter_jit(layer((2, 3)))(waves((12, 10), others, amplitudes))
    np.testing.assert_allclose(result, 0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(8, 8), (9, 7), (32, 20)])
def test_the_same_function_on_all_grids_that_resolve_it(sizes):
    wavenumbers = [(1, 2), (-2, 3), (3, 1), (-3, 0)]
    amplitudes = np.random.default_rng(1).normal(size=(4, 2, 2)) @ np.array([1, 1j])
    # More modes than the smaller grids have wavenumbers.
    convolution = layer((6, 5))
    fine = eqx.filter_jit(convolution)(waves((4 * sizes[0], 4 * sizes[1]), wavenumbers, amplitudes))
    coarse = eqx.filter_jit(convolution)(waves(sizes, wavenumbers, amplitudes))
    np.testing.assert_allclose(coarse, fine[:, ::4, ::4], atol=3e-5)
    assert float(jnp.std(coarse)) > 0.5


def test_its_arrays_are_real():
    assert layer((2, 3)).kernel.shape == (4, 3, 2, 3, 2)
    assert layer((2, 3)).kernel.dtype == jnp.float32

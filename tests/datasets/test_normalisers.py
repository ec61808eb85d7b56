import equinox as eqx
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from closurax.datasets import Standardiser
from closurax.physics.errors import DataError

_VALUES = st.floats(-1000, 1000, width=32)
_SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))


@given(
    fields=_SHAPES.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=_VALUES)),
    mean=st.floats(-100, 100),
    scale=st.floats(0.1, 100),
)
def test_denormalise_undoes_normalise(fields, mean, scale):
    channels = len(fields)
    standardiser = Standardiser(
        mean=jnp.full(channels, mean, jnp.float32), scale=jnp.full(channels, scale, jnp.float32)
    )
    there = standardiser.normalise(jnp.asarray(fields))
    back = standardiser.denormalise(there)
    assert there.shape == back.shape == fields.shape and back.dtype == jnp.float32
    np.testing.assert_allclose(back, fields, atol=1e-6 * (abs(mean) + 1000))


@pytest.mark.parametrize("channel_axis", [0, 1, 3])
def test_fit_gives_each_channel_zero_mean_and_unit_deviation(channel_axis):
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(50, 2, 4, 6)) * np.array([3.0, 0.01])[:, None, None]
    samples += np.array([-5.0, 20.0])[:, None, None]
    standardiser = Standardiser.fit(np.moveaxis(samples, 1, channel_axis), channel_axis)
    normalised = jax.vmap(standardiser.normalise)(jnp.asarray(samples))
    np.testing.assert_allclose(normalised.mean((0, 2, 3)), 0, atol=2e-3)
    np.testing.assert_allclose(normalised.std((0, 2, 3)), 1, atol=2e-3)


def test_precision_is_that_of_the_fields(x64):
    samples = np.random.default_rng(0).normal(size=(10, 2, 4))
    standardiser = Standardiser.fit(samples)
    assert standardiser.mean.dtype == jnp.float64
    for dtype in (jnp.float32, jnp.float64):
        assert standardiser.normalise(jnp.ones((2, 4), dtype)).dtype == dtype


def test_statistics_do_not_learn():
    standardiser = Standardiser(mean=jnp.ones(2), scale=jnp.full(2, 3.0))
    fields = jnp.arange(8.0).reshape(2, 2, 2)
    loss = eqx.filter_jit(lambda s, x: jnp.sum(s.denormalise(s.normalise(x) ** 2)))
    gradient = eqx.filter_grad(loss)(standardiser, fields)
    assert not gradient.mean.any() and not gradient.scale.any()
    assert jax.grad(lambda x: loss(standardiser, x))(fields).any()


@given(value=st.floats(-1e6, 1e6, width=32))
def test_a_constant_variable_is_refused_by_name(value):
    samples = np.random.default_rng(0).normal(size=(5, 2, 4)).astype(np.float32)
    samples[:, 1] = value
    with pytest.raises(DataError, match="'cloud_ice' has zero variance"):
        Standardiser.fit(samples, names=["temperature", "cloud_ice"])


def test_bad_samples_are_refused():
    samples = np.random.default_rng(0).normal(size=(5, 2, 4))
    with pytest.raises(DataError, match="2 channels, but the names"):
        Standardiser.fit(samples, names=["vorticity"])
    samples[3, 1, 2] = np.nan
    with pytest.raises(DataError, match="'channel 1' holds values that are not finite"):
        Standardiser.fit(samples)

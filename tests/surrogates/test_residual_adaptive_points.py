import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz
from closurax.surrogates.fields import GaussianFeatures, LinearField
from closurax.surrogates.training import (
    Collocation,
    GridCollocation,
    LevenbergMarquardt,
    ResidualAdaptivePoints,
    train_physics_informed,
)


class Peak(Helmholtz):
    """A residual that does not depend on the field, and has a peak off the middle."""

    def residual(self, point, jet):
        return jnp.exp(-10 * jnp.sum((point - 0.5) ** 2, keepdims=True)) + 0 * jet.value


def any_field():
    return LinearField(GaussianFeatures(jnp.zeros((1, 2)), jnp.ones((1, 2))), jnp.zeros((1, 1)))


def test_density_is_that_of_the_residuals(x64, getkey):
    random = Collocation.random(Peak(1, 1), 300, 4, getkey())
    sampler = ResidualAdaptivePoints(power=2.0, offset=0.5)
    sizes = np.exp(-10 * np.sum((np.asarray(random.interior) - 0.5) ** 2, axis=1)) ** 2
    expected = sizes / sizes.mean() + 0.5
    found = eqx.filter_jit(sampler.density)(random, any_field())
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-12)
    even = eqx.filter_jit(ResidualAdaptivePoints(power=0.0).density)(random, any_field())
    np.testing.assert_allclose(even, 1 / 300, rtol=1e-12)


def test_draws_have_the_density_and_faces_stay_uniform(x64, getkey):
    random = Collocation.random(Peak(1, 1), 2000, 50, getkey())
    sampler = ResidualAdaptivePoints(offset=0.25, candidates=20)
    drawn = eqx.filter_jit(sampler)(random, any_field(), getkey())
    assert drawn.interior.shape == random.interior.shape
    assert len(np.unique(np.asarray(drawn.interior), axis=0)) == 2000
    axis = np.linspace(-0.9975, 0.9975, 400)
    x, y = np.meshgrid(axis, axis)
    size = np.exp(-10 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))
    density = size / size.mean() + 0.25
    within = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.3**2) * density / density.sum()
    share = np.mean(np.sum((np.asarray(drawn.interior) - 0.5) ** 2, axis=1) < 0.3**2)
    # Candidates that are taken once only make the draw a little more even.
    np.testing.assert_allclose(share, within.sum(), atol=0.06)
    for before, after in zip(random.faces, drawn.faces, strict=True):
        fixed = np.ptp(np.asarray(before), axis=0) == 0
        np.testing.assert_array_equal(before[0, fixed], after[0, fixed])
        assert abs(float(np.mean(after[:, ~fixed]))) < 0.4


def test_training_follows_the_residual(x64, getkey):
    centres = jax.random.uniform(getkey(), (10, 2), minval=-1.2, maxval=1.2)
    features = GaussianFeatures(centres, jnp.full((10, 2), 0.5))
    field = LinearField(features, jnp.zeros((10, 1)))
    random = Collocation.random(Helmholtz(1, 1), 60, 8, getkey()).weighted(1e-2)
    train = dict(optimiser=LevenbergMarquardt(), steps=15, seed=0, report_every=5, progress=False)
    history = train_physics_informed(
        field, random, redraw=ResidualAdaptivePoints(), **train
    ).history
    assert history["validation_loss"][-1] < history["validation_loss"][0]
    with pytest.raises(ClosuraxError, match="not of a GridCollocation"):
        ResidualAdaptivePoints()(
            GridCollocation.random(Helmholtz(1, 1), 3, getkey()), field, getkey()
        )
    with pytest.raises(ClosuraxError, match="`candidates` = 1"):
        ResidualAdaptivePoints(candidates=1)

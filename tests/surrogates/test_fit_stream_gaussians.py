"""Gaussians with walls built in follow the flow in a cavity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import ChebyshevCavity, LidDrivenCavity, grid_points, jet_at
from closurax.surrogates.fields import AbstractField, StreamVelocity
from closurax.surrogates.training import fit_stream_gaussians

PROBLEM = LidDrivenCavity(viscosity=0.02)


@pytest.fixture(scope="module")
def fit():
    with jax.enable_x64(True):
        # As many in the search: nothing is compiled twice.
        yield fit_stream_gaussians(PROBLEM, 50, seed=0, trial_count=50, progress=False)


def error(fit):
    places = grid_points([np.linspace(0, 1, 15)] * 2).reshape(-1, 2)
    truth = ChebyshevCavity(0.02, 1.0, 20)(*places.T)[:, :2]
    found = jax.jit(jax.vmap(StreamVelocity(fit.field)))(jnp.asarray(places))
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def test_few_gaussians_find_the_flow(x64, fit):
    assert fit.field.weights.shape == (50, 1) and fit.residual < 0.1
    assert error(fit) < 0.01


@pytest.mark.slow
def test_the_error_falls_with_the_number(x64, fit):
    finer = fit_stream_gaussians(PROBLEM, 200, seed=0, trial_count=50, progress=False)
    assert error(finer) < 0.2 * error(fit) and finer.residual < fit.residual


def test_the_walls_are_exact(x64, fit):
    velocity = jax.jit(jax.vmap(StreamVelocity(fit.field)))
    along = np.linspace(0, 1, 9)
    for x, y, lid in (
        (along, 0, 0),
        (along, 1, 1),
        (0 * along, along, 0),
        (0 * along + 1, along, 0),
    ):
        points = np.stack(np.broadcast_arrays(x, y), axis=-1).astype(float)
        expected = np.stack([lid * np.sin(np.pi * points[:, 0]), 0 * along], axis=-1)
        np.testing.assert_allclose(velocity(jnp.asarray(points)), expected, atol=1e-9)


def test_the_velocity_follows_from_the_stream_function(x64):
    def stream(point):
        return (jnp.sin(point[0]) * point[1] ** 3)[None]

    class Stream(AbstractField):
        def __call__(self, point):
            return stream(point)

        def jet(self, point):
            return jet_at(stream, point)

    x, y = point = jnp.asarray([0.4, 0.7])
    velocity = StreamVelocity(Stream())
    np.testing.assert_allclose(velocity(point), [3 * jnp.sin(x) * y**2, -jnp.cos(x) * y**3])
    jet = velocity.jet(point)
    np.testing.assert_allclose(jet.gradient[0, 0] + jet.gradient[1, 1], 0, atol=1e-14)


def test_too_few_gaussians_are_refused(x64):
    with pytest.raises(ClosuraxError, match="`count` = 5"):
        fit_stream_gaussians(PROBLEM, 5, seed=0)

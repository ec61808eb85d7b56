"""Lifts have the initial and the boundary values; the corner obeys the heat equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.problems import (
    AllenCahn,
    Burgers,
    Clustered,
    FlowMixing,
    Jet,
    NonlinearDiffusion,
    PlaneBurgers,
    jet_at,
)
from closurax.physics.problems.rounded_corner import rounded_corner
from closurax.physics.problems.walls import blended

PROBLEMS = [
    AllenCahn(),
    Burgers(),
    FlowMixing(),
    NonlinearDiffusion(),
    PlaneBurgers(),
    Clustered(NonlinearDiffusion()),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: type(problem).__name__)
def test_lifts_have_the_initial_and_the_boundary_values(x64, problem):
    generator = np.random.default_rng(0)
    points = generator.uniform(problem.lower, problem.upper, (20, problem.dims))
    start = points.copy()
    start[:, 0] = problem.lower[0]
    lift = jax.jit(jax.vmap(problem.lift))
    initial = jax.vmap(problem.initial)(jnp.asarray(start[:, 1:]))
    np.testing.assert_allclose(lift(jnp.asarray(start)), initial, atol=1e-14)
    for condition in problem.boundary():
        face = points.copy()
        face[:, condition.axis] = (problem.upper if condition.upper else problem.lower)[
            condition.axis
        ]
        values = lift(jnp.asarray(face))
        zeros = jnp.zeros((*values.shape, problem.dims))
        jets = Jet(values, zeros, zeros)
        left = jax.vmap(condition.residual)(jnp.asarray(face), jets)
        np.testing.assert_allclose(left, 0, atol=1e-14)


def test_a_rounded_corner_diffuses(x64):
    def corner(point):
        t, x = point
        return (x / 2 + rounded_corner(t, x, 0.3))[None]

    corner_jet = jax.jit(lambda point: jet_at(corner, point))
    for point in ([0.2, 0.1], [0.01, 0.3], [1.5, 0.7]):
        jet = corner_jet(jnp.asarray(point))
        np.testing.assert_allclose(jet.gradient[0, 0], 0.3 * jet.second[0, 1], rtol=1e-10)
    # No slope at the corner, but the one of |x| / 2 at the start.
    slope = corner_jet(jnp.asarray([0.1, 0.0])).gradient[0, 1]
    np.testing.assert_allclose(slope, 0, atol=1e-14)
    assert rounded_corner(jnp.asarray(0.0), jnp.asarray(0.1), 0.3) == 0


def test_the_corner_of_allen_cahn_is_in_the_lift(x64):
    """What is left is smooth: its slope does not jump where the solution has a corner."""
    problem = AllenCahn()
    lift = jax.jit(lambda point: jet_at(problem.lift, point))
    slopes = [lift(jnp.asarray([0.3, x])).gradient[0, 1] for x in (-1.0, 1.0)]
    np.testing.assert_allclose(slopes, 0, atol=1e-12)


def test_a_blend_is_exact_on_the_walls_and_for_bilinear_values(x64):
    lower, upper = (0.0, -1.0, 2.0), (1.0, 1.0, 5.0)

    def bilinear(point):
        t, x, y = point
        return jnp.stack([t + 2 * x - y + 3 * x * y, x])

    point = jnp.asarray([0.3, 0.2, 4.1])
    np.testing.assert_allclose(blended(bilinear, point, lower, upper), bilinear(point), rtol=1e-13)

    def curved(point):
        return jnp.sin(point[1:2] * point[2])

    for axis, value in ((1, -1.0), (1, 1.0), (2, 2.0), (2, 5.0)):
        wall = point.at[axis].set(value)
        np.testing.assert_allclose(blended(curved, wall, lower, upper), curved(wall), rtol=1e-13)

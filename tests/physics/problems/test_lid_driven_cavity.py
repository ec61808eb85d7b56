"""The flow under a lid: its corners, its convergence, and the equations that it fulfils."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import (
    CavityVelocity,
    ChebyshevCavity,
    LidDrivenCavity,
    StreamBasis,
    box_quadrature,
    corner_stream,
    grid_points,
    jet_at,
    residual_size,
)


@pytest.fixture(scope="module")
def places():
    return grid_points([np.linspace(0, 1, 12)] * 2).reshape(-1, 2)


@pytest.fixture(scope="module")
def flow(places):
    return ChebyshevCavity(0.01, 1.0, degree=24)(*places.T)


def test_the_corner_is_a_flow_of_stokes_between_a_lid_and_a_wall(x64):
    s = np.array([0.1, 0.5, 1.0])
    lid, wall = corner_stream(s, 0 * s), corner_stream(0 * s, s)
    for values in (lid[0, 0], wall[0, 0], wall[1, 0]):
        np.testing.assert_allclose(values, 0, atol=1e-14)
    np.testing.assert_allclose(-lid[0, 1], np.pi * s)

    def stream(point):
        return corner_stream(point[0], point[1], jnp)[0, 0]

    point = jnp.asarray([0.3, 0.7])
    gradient, hessian = jax.grad(stream)(point), jax.hessian(stream)(point)
    found = corner_stream(*np.asarray(point))
    np.testing.assert_allclose(gradient, [found[1, 0], found[0, 1]], rtol=1e-13)
    np.testing.assert_allclose(np.diag(hessian), [found[2, 0], found[0, 2]], rtol=1e-13)
    spin = 2 * np.pi * np.arctan2(0.3, 0.7) - np.pi**2 / 2
    np.testing.assert_allclose(jnp.trace(hessian), spin, rtol=1e-13)
    at_corner = corner_stream(np.zeros(1), np.zeros(1))
    assert all(np.isfinite(each).all() for each in at_corner.values())


def test_the_velocity_converges_and_is_given_on_the_walls(places, flow):
    errors = [
        np.abs(ChebyshevCavity(0.01, 1.0, degree)(*places.T) - flow)[:, :2].max()
        for degree in (10, 14, 20)
    ]
    assert errors[0] < 0.02 and errors[1] < 1e-3 and errors[2] < 5e-5
    x, y = places.T
    on_walls = (np.minimum(x, y) == 0) | (np.maximum(x, y) == 1)
    lid = np.where(y == 1, np.sin(np.pi * x), 0)
    np.testing.assert_allclose(flow[on_walls, 0], lid[on_walls], atol=1e-10)
    np.testing.assert_allclose(flow[on_walls, 1:3], 0, atol=1e-10)
    # Between those of a sluggish flow and of one under a lid that is as fast everywhere.
    assert -0.1034 < flow[:, 2].min() < -0.08


def test_a_sluggish_flow_is_symmetric(places):
    u, v, psi, _ = ChebyshevCavity(100.0, 1.0, degree=12)(*places.T).T.reshape(4, 12, 12)
    np.testing.assert_allclose(u, u[::-1], atol=1e-4)
    np.testing.assert_allclose(v, -v[::-1], atol=1e-4)


def test_the_equations_hold_where_the_flow_is_smooth(x64):
    """With derivatives by differences of the flow, which is of the fourth order in the step."""
    problem, solver, step = LidDrivenCavity(viscosity=0.05), ChebyshevCavity(0.05, 1.0, 24), 0.02
    centre = np.array([0.45, 0.55])
    offsets = np.arange(-2, 3) * step
    along_x = solver(centre[0] + offsets, np.full(5, centre[1]))
    along_y = solver(np.full(5, centre[0]), centre[1] + offsets)
    first = np.array([1, -8, 0, 8, -1]) / (12 * step)
    second = np.array([-1, 16, -30, 16, -1]) / (12 * step**2)
    gradient = np.stack([first @ along_x, first @ along_y], axis=-1)[2:]
    bends = np.stack([second @ along_x, second @ along_y], axis=-1)[2:]
    jet = jet_at(lambda point: jnp.zeros(2), jnp.asarray(centre))
    jet = type(jet)(jnp.asarray(along_x[2, 2:]), jnp.asarray(gradient), jnp.asarray(bends))
    left = problem.residual(jnp.asarray(centre), jet)
    assert np.abs(np.asarray(left)).max() < 2e-3 * np.abs(bends).max()
    np.testing.assert_allclose([gradient[0, 1], -gradient[0, 0]], along_x[2, :2], atol=1e-5)


def test_problems_hand_out_the_flow(monkeypatch, places):
    cavity = LidDrivenCavity(viscosity=1.0, lid_speed=0.5)
    monkeypatch.setattr(ChebyshevCavity, "__init__", _coarse)
    expected = ChebyshevCavity(1.0, 0.5)(*places.T)
    np.testing.assert_array_equal(cavity.solution(places), expected[:, 2:])
    velocity = CavityVelocity(cavity)
    np.testing.assert_array_equal(velocity.solution(places), expected[:, :2])
    assert len(cavity.conditions()) == 8 and len(velocity.conditions()) == 4
    lid = velocity.conditions()[-1]
    jet = jet_at(lambda point: jnp.asarray([0.5, 0.0]), jnp.asarray([0.5, 1.0]))
    np.testing.assert_allclose(lid.residual(jnp.asarray([0.5, 1.0]), jet), 0, atol=1e-6)
    top = cavity.conditions()[-1]
    jet = jet_at(lambda point: jnp.stack([0.5 * point[1], point[0]]), jnp.asarray([0.5, 1.0]))
    np.testing.assert_allclose(top.residual(jnp.asarray([0.5, 1.0]), jet), 0, atol=1e-6)


def _coarse(self, viscosity, lid_speed, degree=12):
    object.__setattr__(self, "viscosity", viscosity)
    object.__setattr__(self, "lid_speed", lid_speed)
    object.__setattr__(self, "degree", degree)


def test_the_residual_falls_with_the_error():
    points, measure = box_quadrature((0.0, 0.0), (1.0, 1.0), (36, 36))
    x, y = points.T
    tests = ChebyshevCavity(0.01, 1.0, 20).vanishing(x, y)
    sizes = []
    for degree in (8, 12, 16):
        solver = ChebyshevCavity(0.01, 1.0, degree)
        coefficients = solver.coefficients()
        flow = solver.known(x, y, coefficients)
        assert isinstance(flow, StreamBasis)
        sizes.append(residual_size(0.01, measure, flow, tests))
    assert sizes[0] > 3 * sizes[1] > 9 * sizes[2]


def test_flows_that_are_not_found_are_refused():
    with pytest.raises(ClosuraxError, match="`degree` = 3"):
        ChebyshevCavity(0.01, 1.0, degree=3)
    with pytest.raises(ClosuraxError, match="was not found with 25 functions"):
        ChebyshevCavity(1e-9, 1.0, degree=8).coefficients()

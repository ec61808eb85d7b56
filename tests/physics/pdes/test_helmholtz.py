import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import DataError, GridMismatchError
from closurax.physics.pdes import Helmholtz, WaveSpeed, window_flux


def _manufactured(problem):
    """Wave speed, solution, source and flux of a solution without flux on three sides."""
    x, y = np.meshgrid(problem.x, problem.y, indexing="ij")
    c = 1 + 0.3 * np.cos(2 * x + y)
    along_y, curvature, slope = 1 + y**2 + 0.5 * y**3, 2 + 3 * y, 3.5
    u = np.cos(np.pi * x) * along_y
    f = (np.pi**2 - (problem.frequency / c) ** 2) * u - np.cos(np.pi * x) * curvature
    midpoints = (problem.x[1:] + problem.x[:-1]) / 2
    return c, u, f, slope * np.cos(np.pi * midpoints)


def test_second_order_with_a_source_and_a_flux():
    errors = []
    for size in (12, 24, 48):
        problem = Helmholtz(size + 1, 2 * size + 1, frequency=3.0)
        c, exact, f, q = _manufactured(problem)
        errors.append(np.sqrt(np.mean((problem.solve_sparse(c, f, q) - exact) ** 2)))
    errors = np.asarray(errors)
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), 2, atol=0.1)
    assert errors[-1] < 0.01


def test_second_order_for_a_plane_wave_that_a_side_drives():
    wavenumber, errors = 10.0, []
    for size in (32, 64, 128):
        problem = Helmholtz(5, size + 1, frequency=20.0)
        u = problem.solve_sparse(np.full(problem.shape, 2.0), q=np.ones(4))
        exact = -np.cos(wavenumber * problem.y) / (wavenumber * np.sin(wavenumber))
        np.testing.assert_allclose(u, np.broadcast_to(u[:1], u.shape), atol=1e-10)
        errors.append(np.abs(u[0] - exact).max())
    errors = np.asarray(errors)
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), 2, atol=0.2)


def test_a_constant_solves_its_equation_exactly():
    problem = Helmholtz(6, 9, frequency=2.0)
    u = problem.solve_sparse(np.full(problem.shape, 4.0), np.full(problem.shape, -0.25))
    np.testing.assert_allclose(u, 1.0, rtol=1e-10)


def test_apply_is_the_matrix_and_equals_the_load_of_the_solution(x64, getkey):
    problem = Helmholtz(8, 11, frequency=30.0)
    c = 2 + jax.random.uniform(getkey(), problem.shape)
    u = jax.random.normal(getkey(), problem.shape)
    matrix = problem.matrix(c)
    assert abs(matrix - matrix.T).max() < 1e-12
    applied = jax.jit(problem.apply)(c, u)
    np.testing.assert_allclose(np.ravel(applied), matrix @ np.ravel(u), rtol=1e-10, atol=1e-12)
    solution = jnp.asarray(problem.solve_sparse(c, q=window_flux(8)))
    left, right = problem.apply(c, solution), problem.load(q=window_flux(8))
    np.testing.assert_allclose(left, right, atol=1e-12)


def test_apply_is_differentiable_in_the_wave_speed(x64, getkey):
    problem = Helmholtz(6, 5, frequency=4.0)
    c = 2 + jax.random.uniform(getkey(), problem.shape)
    u, direction = jax.random.normal(getkey(), (2, *problem.shape))

    def functional(c):
        return jnp.sum(problem.apply(c, u) ** 2)

    step = 1e-5
    difference = functional(c + step * direction) - functional(c - step * direction)
    slope = jnp.vdot(jax.grad(functional)(c), direction)
    np.testing.assert_allclose(slope, difference / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("nodes_x", [11, 23, 101])
def test_the_window_lets_the_same_flux_in_on_every_grid(nodes_x):
    flux = window_flux(nodes_x)
    assert flux.shape == (nodes_x - 1,)
    np.testing.assert_allclose(flux.mean(), 0.3, rtol=1e-12)
    assert flux.min() == 0 and flux.max() <= 1
    load = Helmholtz(nodes_x, 4).load(q=flux)
    np.testing.assert_allclose(load.sum(), 0.3, rtol=1e-12)
    assert not load[:, :-1].any()


def test_waves_of_the_benchmark_have_the_length_of_their_frequency(getkey):
    problem = Helmholtz()
    c = WaveSpeed()(problem.x, problem.y, key=getkey())
    u = problem.solve_sparse(c, q=window_flux(101))
    # In a square without damping the curvature of the waves is -(frequency / c)^2 u.
    inside = u[1:-1, 1:-1]
    laplacian = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * inside
    squared = -np.vdot(inside, laplacian) / np.vdot(inside, inside) * 100**2
    np.testing.assert_allclose(np.sqrt(squared), 1000 / c.mean(), rtol=0.03)


def test_fields_on_another_grid_are_refused():
    problem = Helmholtz(8, 6)
    with pytest.raises(GridMismatchError, match=r"`c` has shape \(6, 8\), .* 8 x 6 nodes"):
        problem.solve_sparse(np.ones((6, 8)))
    with pytest.raises(GridMismatchError, match=r"`f` has shape \(8, 5\)"):
        problem.load(np.ones((8, 5)))
    with pytest.raises(GridMismatchError, match=r"`q` has shape \(8,\), but y = 1 has 7 edges"):
        problem.solve_sparse(np.ones((8, 6)), q=np.ones(8))
    with pytest.raises(GridMismatchError, match="at least 2 x 2 nodes, not 1 x 4"):
        Helmholtz(1, 4)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_a_wave_speed_that_is_not_positive_is_an_error(value):
    c = np.ones((5, 4))
    c[2, 3] = value
    with pytest.raises(DataError, match="`c` is not finite and positive"):
        Helmholtz(5, 4).solve_sparse(c)

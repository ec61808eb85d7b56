"""Computed solutions converge, and satisfy the equations by finite differences."""

import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import (
    AllenCahn,
    Burgers,
    CosineAllenCahn,
    FiniteVolumeDiffusion,
    NonlinearDiffusion,
)
from closurax.physics.problems.nonlinear_diffusion import initial_values


def grid(*axes):
    return [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]


def relative(values, reference):
    return np.linalg.norm(values - reference) / np.linalg.norm(reference)


def differences(solution, point, step):
    """Value, first and second derivatives, of sixth order, along each axis at one point."""
    offsets = np.arange(-3, 4)
    first = np.array([-1, 9, -45, 0, 45, -9, 1]) / 60
    second = np.array([2, -27, 270, -490, 270, -27, 2]) / 180
    slopes, bends = [], []
    for axis, by in enumerate(step):
        points = np.tile(point, (7, 1))
        points[:, axis] += offsets * by
        line = solution(points)[:, 0]
        slopes.append(first @ line / by)
        bends.append(second @ line / by**2)
    return line[3], slopes, bends


@pytest.mark.parametrize("point", [(0.2, 0.1), (0.5, 0.004), (0.9, -0.013), (0.7, 0.6)])
def test_burgers_satisfies_the_equation(point):
    u, (u_t, u_x), (_, u_xx) = differences(Burgers().solution, np.array(point), step=(3e-4, 3e-4))
    assert u_t + u * u_x - 0.01 / np.pi * u_xx == pytest.approx(0, abs=1e-5 * max(1, abs(u * u_x)))


def test_burgers_is_odd_and_zero_at_the_ends():
    problem = Burgers()
    points = np.stack(grid(np.linspace(0, 1, 5), np.linspace(-1, 1, 21)), axis=-1)
    values = problem.solution(points).reshape(5, 21)
    np.testing.assert_allclose(values, -values[:, ::-1], atol=1e-13)
    assert np.abs(values[:, [0, 10, 20]]).max() < 1e-13


def test_allen_cahn_converges_with_the_fourth_power_of_the_step():
    t, x = grid(np.array([0.01, 0.3, 0.6, 1.0]), np.linspace(-1, 1, 101))
    best = CosineAllenCahn(1e-4, 5.0, modes=1024, steps=800)(t, x)
    errors = [
        relative(CosineAllenCahn(1e-4, 5.0, modes=1024, steps=steps)(t, x), best)
        for steps in (50, 100, 200)
    ]
    assert errors[2] < 1e-7
    # Between these steps the measured order is above 3.6, and rises.
    assert errors[0] / errors[1] > 12
    assert errors[1] / errors[2] > 12


def test_allen_cahn_converges_with_the_modes():
    t, x = grid(np.array([0.02, 0.5, 1.0]), np.linspace(-1, 1, 101))
    best = CosineAllenCahn(1e-4, 5.0, modes=2048, steps=100)(t, x)
    assert relative(CosineAllenCahn(1e-4, 5.0, modes=1024, steps=100)(t, x), best) < 1e-10
    assert relative(CosineAllenCahn(1e-4, 5.0, modes=64, steps=100)(t, x), best) > 1e-6


@pytest.mark.parametrize("point", [(0.05, 0.98), (0.3, 0.51), (0.6, -0.3), (0.95, 0.47)])
def test_allen_cahn_satisfies_the_equation(point):
    solver = CosineAllenCahn(1e-4, 5.0, modes=2048, steps=400)

    def solution(points):
        return solver(*points.T)[:, None]

    u, (u_t, _), (_, u_xx) = differences(solution, np.array(point), step=(1e-3, 1e-3))
    scale = abs(5 * (u - u**3)) + abs(1e-4 * u_xx)
    assert u_t == pytest.approx(1e-4 * u_xx + 5 * (u - u**3), abs=1e-5 * scale)


def test_problems_hand_their_points_and_coefficients_to_the_solvers():
    points = np.array([[0.02, 0.97], [0.0, 1.0], [0.01, -0.4]])
    problem = AllenCahn(diffusivity=2e-4, reaction_rate=3.0)
    expected = CosineAllenCahn(2e-4, 3.0)(*points.T)
    np.testing.assert_array_equal(problem.solution(points)[:, 0], expected)
    assert problem.solution(points)[1] == -1

    points = np.array([[0.0, 0.9, 0.0], [0.0, 1.0, 0.0], [0.4, -0.45, 0.05], [1.0, 0.3, 0.2]])
    values = NonlinearDiffusion(coefficient=0.07).solution(points)[:, 0]
    solver = FiniteVolumeDiffusion(0.07, cells=96, steps=100)
    np.testing.assert_allclose(values[2:], solver(initial_values, *points[2:].T), atol=2e-5)
    assert values[0] == initial_values(*points[:1, 1:].T)[0] > 1e-4
    # The walls, where the initial state does not fit the conditions.
    assert values[1] == 0


def test_finite_volumes_refuse_numbers_that_do_not_fit():
    with pytest.raises(ClosuraxError, match="`steps` = 70 must be a multiple"):
        FiniteVolumeDiffusion(0.05, steps=70, saved=50)
    with pytest.raises(ClosuraxError, match="`cells` = 31 must be even"):
        FiniteVolumeDiffusion(0.05, 31)(initial_values, *np.zeros((3, 1)))


def test_allen_cahn_has_the_symmetries_and_other_coefficients():
    t, x = grid(np.array([1e-6, 0.2, 0.7]), np.linspace(0, 1, 41))
    solver = CosineAllenCahn(1e-4, 5.0, modes=512, steps=50)
    np.testing.assert_allclose(solver(t, -x), solver(t, x), atol=1e-14)
    np.testing.assert_allclose(solver(t, 2 - x), solver(t, x), atol=1e-11)
    # Without a reaction every mode decays on its own; few steps are exact.
    heat = CosineAllenCahn(0.1, 0.0, modes=512, steps=3)
    (later,) = heat.coefficients(np.array([0.4]))
    decay = np.exp(-0.1 * 0.4 * (np.pi * np.arange(512)) ** 2)
    np.testing.assert_allclose(later, decay * heat.initial(), atol=1e-15)
    # Without diffusion every point is on its own: u / sqrt(1 - u^2) grows as exp(r t).
    (modes,) = CosineAllenCahn(0.0, 5.0, modes=4096, steps=100).coefficients(np.array([0.3]))
    u0 = 0.5**2 * np.cos(0.5 * np.pi) + 0  # zero stays zero
    value = modes[0] + 2 * np.cos(np.pi * 0.5 * np.arange(1, 4096)) @ modes[1:]
    assert value == pytest.approx(u0, abs=1e-6)
    grown = 0.25**2 * np.cos(0.25 * np.pi)
    grown = grown / np.sqrt(1 - grown**2) * np.exp(5 * 0.3)
    value = modes[0] + 2 * np.cos(np.pi * 0.25 * np.arange(1, 4096)) @ modes[1:]
    assert value == pytest.approx(grown / np.sqrt(1 + grown**2), abs=1e-6)


def spreading(t, x, y):
    """The heap of Barenblatt (1952) and Pattle (1959), for u_t = 0.025 laplacian(u^2)."""
    age = 0.025 * (t + 2.0)
    return np.maximum(0.08 - (x**2 + y**2) / (16 * np.sqrt(age)), 0) / np.sqrt(age)


def test_finite_volumes_follow_the_spreading_heap():
    """An exact solution that stays off the sides; at its edge, a corner, the order is lower."""
    t, x, y = grid(np.linspace(0, 1, 5), np.linspace(-0.9, 0.9, 25), np.linspace(-0.9, 0.9, 25))
    exact = spreading(t, x, y)
    bulk = exact > 0.1 * exact.max()
    errors, everywhere = [], []
    for cells in (24, 48, 96):
        solver = FiniteVolumeDiffusion(0.05, cells, steps=100)
        values = solver.interpolated(lambda a, b: spreading(0.0, a, b), t, x, y)
        errors.append(relative(values[bulk], exact[bulk]))
        everywhere.append(relative(values, exact))
    assert errors[2] < 1e-3
    assert errors[0] / errors[1] > 3.5 and errors[1] / errors[2] > 3.5
    assert everywhere[0] / everywhere[1] > 2 and everywhere[1] / everywhere[2] > 2


def test_finite_volumes_lose_only_what_leaves_through_the_sides():
    solver = FiniteVolumeDiffusion(0.05, cells=32, steps=40, saved=40)
    u = initial_values(solver.centres[:, None], solver.centres)
    lost = sum((s**2).sum() for s in (u[0], u[-1], u[:, 0], u[:, -1])) * 0.05 / 2 * 2 * 32**2 / 4
    assert -solver.tendency(u).sum() == pytest.approx(lost, rel=1e-9)
    heap = solver.integrate(lambda x, y: spreading(0.0, x, y)).sum(axis=(1, 2))
    np.testing.assert_allclose(heap, heap[0], rtol=1e-10)


def test_nonlinear_diffusion_converges_in_space_and_time():
    t, x, y = grid(np.linspace(0.2, 1, 5), np.linspace(-0.8, 0.8, 17), np.linspace(-0.8, 0.8, 17))

    def solve(cells, steps=50, extrapolated=False):
        solver = FiniteVolumeDiffusion(0.05, cells, steps)
        return (solver if extrapolated else solver.interpolated)(initial_values, t, x, y)

    best = solve(192, extrapolated=True)
    plain = [relative(solve(cells), best) for cells in (24, 48, 96)]
    assert plain[0] / plain[1] == pytest.approx(4, rel=0.25)
    assert plain[1] / plain[2] == pytest.approx(4, rel=0.15)
    assert relative(solve(96, extrapolated=True), best) < plain[2] / 8
    latest = solve(48, steps=800)
    in_time = [relative(solve(48, steps), latest) for steps in (50, 100, 200)]
    assert in_time[0] / in_time[1] > 3 and in_time[1] / in_time[2] > 3


def test_nonlinear_diffusion_satisfies_the_equation():
    solver = FiniteVolumeDiffusion(0.05, cells=128, steps=100)

    def solution(points):
        return solver(initial_values, *points.T)[:, None]

    for point in ((0.5, 0.3, 0.2), (0.3, -0.45, 0.0)):
        u, (u_t, u_x, u_y), (_, u_xx, u_yy) = differences(
            solution, np.array(point), step=(0.04, 0.02, 0.02)
        )
        tendency = 0.05 * (u_x**2 + u_y**2 + u * (u_xx + u_yy))
        assert u_t == pytest.approx(tendency, abs=2e-4)
        assert abs(u_t) > 0.02

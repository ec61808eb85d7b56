"""Fields that evolve: exact solutions, a slow obvious solve, conservation, and a blind search."""

from typing import ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import BlowUpError, ClosuraxError
from closurax.physics.problems import AllenCahn, Burgers, FlowMixing, box_quadrature
from closurax.physics.problems.problem import AbstractEvolution
from closurax.physics.problems.walls import wall_conditions
from closurax.physics.scheme import Quantity
from closurax.surrogates.fields import GalerkinBasis, LinearField, VanishingFeatures, on_grid
from closurax.surrogates.training import Density, evolve, evolve_gaussians
from closurax.surrogates.training.evolve_field import _known, _Linear, _matrix, _Projected


class Heat(AbstractEvolution):
    """Diffusion of a sine between walls, or of a wave without; `growth` times u^2 may be added."""

    growth: float = 0.0
    walls: bool = eqx.field(static=True, default=True)
    lower: tuple[float, ...] = eqx.field(static=True, default=(0.0, -1.0))
    upper: tuple[float, ...] = eqx.field(static=True, default=(0.5, 1.0))

    coordinates: ClassVar[tuple[Quantity, ...]] = (Quantity("t", "1"), Quantity("x", "1"))
    fields: ClassVar[tuple[Quantity, ...]] = (Quantity("u", "1"),)

    @property
    def periodic(self):
        return (False, not self.walls)

    @property
    def constant_diffusivity(self):
        return 0.1

    def tendency(self, point, jet):
        return 0.1 * jet.second[:, 0] + self.growth * jet.value**2

    def initial(self, place):
        return jnp.sin(3 * np.pi * place) if self.walls else 1 + jnp.cos(np.pi * place)

    def boundary(self):
        return wall_conditions((1,)) if self.walls else ()

    def solution(self, points):
        t, x = points.T
        if self.walls:
            return (np.exp(-0.9 * np.pi**2 * t) * np.sin(3 * np.pi * x))[:, None]
        return (1 + np.exp(-0.1 * np.pi**2 * t) * np.cos(np.pi * x))[:, None]


def evolved(problem, count, times=11, **options):
    density = Density.uniform(problem)
    features = density.place(count, overlap=2.0, vanishing=(0,) if problem.boundary() else ())
    basis = GalerkinBasis.spanning(features, *density.quadrature(count))
    moments = np.linspace(problem.lower[0], problem.upper[0], times)
    return evolve(problem, features, basis, moments, progress=False, **options), basis


def relative_error(problem, field, shape):
    grid = on_grid(problem, field, shape)
    points = np.stack(np.meshgrid(grid["t"], grid["x"], indexing="ij"), -1).reshape(-1, 2)
    exact = problem.solution(points).reshape(shape)
    return np.linalg.norm(grid["u"] - exact) / np.linalg.norm(exact)


@pytest.fixture(scope="module")
def heat():
    """Fields of 16 and 28 Gaussians between walls."""
    with jax.enable_x64(True):
        # The default solver, and one that is quicker to compile.
        return {
            16: evolved(Heat(), 16, tolerance=1e-9)[0],
            28: evolved(Heat(), 28, tolerance=1e-9, solver=diffrax.Tsit5())[0],
        }


def test_the_error_falls_with_the_number_of_gaussians(x64, heat):
    errors = {count: relative_error(Heat(), field, (6, 31)) for count, field in heat.items()}
    assert errors[16] < 1e-4
    assert errors[28] < errors[16] / 5


def test_walls_and_the_start_hold_exactly(x64, heat):
    start = jnp.asarray([[0.0, 0.3], [0.0, -0.7]])
    np.testing.assert_allclose(
        jax.vmap(heat[16])(start), jax.vmap(Heat().initial)(start[:, 1:]), atol=1e-14
    )
    walls = jnp.asarray([[0.2, -1.0], [0.4, 1.0]])
    np.testing.assert_allclose(jax.vmap(heat[16])(walls), 0, atol=1e-14)


def test_a_slow_obvious_solve_gives_the_same(x64):
    """Of the weights themselves, with the matrix of products, in many small steps."""
    problem = Heat(growth=0.5)
    field, basis = evolved(problem, 10, tolerance=1e-10, solver=diffrax.Tsit5())
    jets = jax.vmap(field.features.jet)(basis.points)
    value, second = np.asarray(jets.value), np.asarray(jets.second)[..., 0]
    x, measure = np.asarray(basis.points)[:, 0], np.asarray(basis.measure)
    known, bent = np.sin(3 * np.pi * x), -9 * np.pi**2 * np.sin(3 * np.pi * x)

    def change(w):
        u = known + value @ w
        tendency = 0.1 * (bent + second @ w) + 0.5 * u**2
        roots = np.sqrt(measure)
        return np.linalg.lstsq(roots[:, None] * value, roots * tendency, rcond=1e-7)[0]

    w, by = np.zeros(10), 0.5 / 100
    for _ in range(100):
        one = change(w)
        two = change(w + by / 2 * one)
        three = change(w + by / 2 * two)
        w = w + by / 6 * (one + 2 * two + 2 * three + change(w + by * three))
    np.testing.assert_allclose(value @ field.at(0.5).weights[:, 0], value @ w, atol=2e-6)


def test_diffusion_without_walls_keeps_the_mean(x64):
    problem = Heat(walls=False)
    field, _ = evolved(problem, 16, tolerance=1e-9, solver=diffrax.Tsit5())
    assert relative_error(problem, field, (5, 31)) < 1e-6
    means = on_grid(problem, field, (5, 65))["u"][:, :-1].mean("x")
    np.testing.assert_allclose(means, 1, atol=1e-8)


def test_allen_cahn_starts_with_its_corner(x64):
    """The field at the corner soon after the start, where modes need thousands."""
    problem = AllenCahn(upper=(0.02, 1.0))
    field, _ = evolved(problem, 60, times=6, tolerance=1e-8, solver=diffrax.Tsit5())
    points = np.array([[0.02, 1.0], [0.01, 0.999], [0.02, 0.99], [0.004, -1.0]])
    found = jax.vmap(field)(jnp.asarray(points))
    # A hundredth of what the corner itself is by then, and a spacing of 0.03.
    np.testing.assert_allclose(found, problem.solution(points), atol=2e-5)


def test_the_matrix_of_a_linear_problem_does_what_the_problem_does(x64):
    problem = FlowMixing()
    density = Density.uniform(problem)
    features = density.place(36, overlap=1.5, vanishing=(0, 1), seed=0)
    assert isinstance(features, VanishingFeatures)
    basis = GalerkinBasis.spanning(features, *density.quadrature(100))
    projected = _Projected(problem, basis, problem.lift)
    known = _known(projected, np.linspace(0, 4, 3))
    assert isinstance(known, LinearField)
    linear = _Linear(known, _matrix(problem, basis, 0.0))
    state = jax.random.normal(jax.random.key(0), (1, basis.modes))
    time = jnp.asarray(1.3)
    np.testing.assert_allclose(linear(time, state), projected(time, state), atol=1e-10)


def test_transport_that_stays_inside_conserves_the_square(x64):
    problem = FlowMixing()
    density = Density.uniform(problem)
    features = density.place(36, overlap=1.5, vanishing=(0, 1), seed=0)
    quadrature = box_quadrature(problem.lower[1:], problem.upper[1:], (90, 90))
    basis = GalerkinBasis.spanning(features, *quadrature)
    matrix = np.asarray(_matrix(problem, basis, 0.0))
    np.testing.assert_allclose(matrix, -matrix.T, atol=1e-6 * np.abs(matrix).max())


def test_a_solution_that_ends_is_an_error(x64):
    with pytest.raises(BlowUpError, match=r"Heat does not reach t = 0\.5 .* until t = 0") as caught:
        evolved(Heat(growth=20.0), 12, tolerance=1e-4, solver=diffrax.Tsit5())
    kept = caught.value.partial
    assert 1 < len(kept.times) < 11
    assert jnp.isfinite(kept(jnp.asarray([kept.times[-1], 0.1]))).all()


def test_reflections_are_better_than_a_margin_where_the_solution_is_odd(x64):
    problem, density = Burgers(viscosity=0.1), Density.uniform(Burgers())
    assert problem.odd_at_walls
    errors = {}
    for odd in (False, True):
        features = density.place(20, overlap=1.5, vanishing=(0,), odd=odd)
        basis = GalerkinBasis.spanning(features, *density.quadrature(40))
        moments = np.linspace(0, 1, 5)
        field = evolve(problem, features, basis, moments, tolerance=1e-7, progress=False)
        errors[odd] = relative_error(problem, field, (5, 41))
    assert errors[True] < 0.2 * errors[False]


@pytest.mark.slow
def test_gaussians_find_a_shock_without_a_reference(x64):
    problem = Burgers(viscosity=0.02)
    found = evolve_gaussians(
        problem, 80, seed=0, trial_count=40, saves=51, tolerance=1e-6, progress=False
    )
    field = found.field
    assert found.exponent > 0
    # What makes the search worth its while: as many, evenly, are much worse.
    even, _ = evolved(problem, 80, times=51, tolerance=1e-6)
    error = relative_error(problem, field, (11, 101))
    assert error < 1e-4
    assert error < relative_error(problem, even, (11, 101)) / 10
    centres = np.asarray(field.features.features.centres)[:, 0]
    assert np.mean(np.abs(centres) < 0.1) > 0.2


def test_numbers_that_make_no_sense_are_refused(x64):
    with pytest.raises(ClosuraxError, match="`count` = 5"):
        evolve_gaussians(Burgers(), 5, seed=0)
    with pytest.raises(ClosuraxError, match="`saves` = 1"):
        evolve_gaussians(Burgers(), 20, seed=0, saves=1)

"""The equations and conditions of the problems hold for their solutions, and not for others."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.problems import (
    AbstractEvolution,
    AllenCahn,
    Burgers,
    FlowMixing,
    Helmholtz,
    Jet,
    KleinGordon,
    NonlinearDiffusion,
    PlaneBurgers,
    Poisson,
    face_points,
    interior_points,
    jet_at,
)

PI = np.pi


def wave(waves_x, waves_y):
    return lambda p: jnp.stack([jnp.sin(waves_x * PI * p[0]) * jnp.sin(waves_y * PI * p[1])])


def klein_gordon(point):
    t, x, y = point
    return jnp.stack([(x + y) * jnp.cos(2 * t) + x * y * jnp.sin(2 * t)])


def mixing(point):
    t, x, y = point
    r = jnp.sqrt(x**2 + y**2)
    angle = t * jnp.tanh(r) / jnp.cosh(r) ** 2 / (0.385 * r)
    return jnp.stack([-jnp.tanh(y / 2 * jnp.cos(angle) - x / 2 * jnp.sin(angle))])


def poisson(point):
    count = point.size
    terms = [
        jnp.sin(PI * point[i]) * jnp.cos(PI / 2 * point[(i + 1) % count]) for i in range(count)
    ]
    return jnp.stack([2 / np.sqrt(float(count)).item() * sum(terms)])


def front(point):
    t, x, y = point
    g = 1 / (1 + jnp.exp((4 * y - 4 * x - t) / 0.32))
    return jnp.stack([0.75 - g / 4, 0.75 + g / 4])


CLOSED = {
    "helmholtz": (Helmholtz(), wave(1, 4)),
    "helmholtz of ten waves": (Helmholtz(10, 10), wave(10, 10)),
    "klein-gordon": (KleinGordon(), klein_gordon),
    "mixing": (FlowMixing(), mixing),
    "burgers in the plane": (PlaneBurgers(), front),
    "poisson in 2": (Poisson(2), poisson),
    "poisson in 7": (Poisson(7), poisson),
}
EVOLUTIONS = [AllenCahn(), Burgers(), FlowMixing(), NonlinearDiffusion(), PlaneBurgers()]
ALL = [AllenCahn(), Burgers(), NonlinearDiffusion(), *(problem for problem, _ in CLOSED.values())]


def residuals(residual, function, points):
    return jax.vmap(lambda point: residual(point, jet_at(function, point)))(jnp.asarray(points))


@pytest.fixture(params=CLOSED)
def closed(request):
    return CLOSED[request.param]


def test_closed_forms_satisfy_the_equation(x64, closed):
    problem, function = closed
    points = interior_points(problem, 200, seed=0)
    scale = np.abs(jax.vmap(lambda p: jet_at(function, p).second)(jnp.asarray(points))).max()
    assert np.abs(residuals(problem.residual, function, points)).max() < 1e-13 * scale
    # A wrong one does not.
    wrong = residuals(problem.residual, lambda p: function(p) + 0.1 * jnp.sum(p) ** 3, points)
    assert np.abs(wrong).max() > 0.1


def test_closed_forms_satisfy_the_conditions(x64, closed):
    problem, function = closed
    for condition in problem.conditions():
        points = face_points(problem, condition, 50, seed=1)
        assert np.abs(residuals(condition.residual, function, points)).max() < 1e-13
        wrong = residuals(condition.residual, lambda p: function(p) + 0.3 + 0.1 * p[0], points)
        assert np.abs(wrong).min() > 0.05


def test_closed_forms_are_the_solutions(x64, closed):
    problem, function = closed
    points = interior_points(problem, 100, seed=2)
    values = problem.solution(points)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, jax.vmap(function)(jnp.asarray(points)), atol=1e-14)


def test_every_side_has_its_conditions():
    for problem in ALL:
        faces = {(condition.axis, condition.upper) for condition in problem.conditions()}
        in_time = isinstance(problem, AbstractEvolution | KleinGordon)
        expected = {(0, False)} if in_time else set()
        for axis in range(int(in_time), problem.dims):
            if not problem.periodic[axis]:
                expected |= {(axis, False), (axis, True)}
        assert faces == expected
    assert len(KleinGordon().conditions()) == 6


def test_the_centre_of_the_vortex_is_a_point_like_others(x64):
    problem, centre = FlowMixing(), jnp.zeros(3)
    jet = Jet(jnp.zeros(1), jnp.ones((1, 3)), jnp.zeros((1, 3)))
    assert problem.residual(centre, jet) == 1
    slopes = jax.jacobian(problem.residual)(centre, jet)
    # Solid rotation: the velocity is (-y, x) / 0.385.
    np.testing.assert_allclose(slopes, [[0, 1 / 0.385, -1 / 0.385]], rtol=1e-12)
    assert problem.solution(np.zeros((1, 3))) == 0


@pytest.mark.parametrize("problem", EVOLUTIONS, ids=lambda problem: type(problem).__name__)
def test_residual_is_the_change_less_the_tendency(x64, problem):
    generator = np.random.default_rng(3)
    point = jnp.asarray(interior_points(problem, 1, seed=3)[0])
    fields = len(problem.fields)
    value, gradient, second = (
        jnp.asarray(generator.normal(size=(fields, *shape)))
        for shape in ((), (point.size,), (point.size,))
    )
    in_space = Jet(value, gradient[:, 1:], second[:, 1:])
    expected = gradient[:, 0] - problem.tendency(point, in_space)
    np.testing.assert_array_equal(problem.residual(point, Jet(value, gradient, second)), expected)


@pytest.mark.parametrize("problem", EVOLUTIONS, ids=lambda problem: type(problem).__name__)
def test_solutions_start_from_the_initial_state(x64, problem):
    points = face_points(problem, problem.conditions()[0], 40, seed=4)
    initial = jax.vmap(problem.initial)(jnp.asarray(points[:, 1:]))
    np.testing.assert_allclose(problem.solution(points), initial, atol=1e-15)


def test_tendencies_are_those_of_the_formulas(x64):
    """Against derivatives of polynomials by hand, at one point."""
    point, u, slope, bend = jnp.array([0.1, 0.2]), 0.5, -2.0, 3.0
    jet = Jet(jnp.array([u]), jnp.array([[slope]]), jnp.array([[bend]]))
    assert AllenCahn().tendency(point, jet)[0] == pytest.approx(1e-4 * bend + 5 * (u - u**3))
    assert Burgers().tendency(point, jet)[0] == pytest.approx(0.01 / PI * bend - u * slope)
    two = Jet(
        jnp.array([u, 0.3]),
        jnp.array([[slope, 1.0], [4.0, -1.0]]),
        jnp.array([[bend, 1.0], [2, 5]]),
    )
    expected = [0.1 * (bend + 1) - u * slope - 0.3, 0.1 * 7 - u * 4 + 0.3]
    found = PlaneBurgers(viscosity=0.1).tendency(jnp.array([0.1, 0.2, 0.3]), two)
    np.testing.assert_allclose(found, expected)

    # div(u grad u) is half of the Laplacian of the square.
    def field(place):
        return jnp.stack([2 + jnp.sin(place[0]) * place[1] ** 2])

    place = jnp.array([0.3, 0.4])
    square = jet_at(lambda p: field(p) ** 2, place)
    tendency = NonlinearDiffusion().tendency(jnp.array([0.1, 0.3, 0.4]), jet_at(field, place))
    np.testing.assert_allclose(tendency, 0.025 * square.second.sum(axis=-1), rtol=1e-13)


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: type(problem).__name__)
def test_single_precision_stays_single(problem):
    point = jnp.asarray(interior_points(problem, 1, seed=5)[0], jnp.float32)
    fields = len(problem.fields)
    for residual in (problem.residual, *(c.residual for c in problem.conditions())):

        def left(point, residual=residual):
            return residual(point, jet_at(lambda p: jnp.full(fields, jnp.sum(p)), point))

        value = jax.jit(left)(point)
        assert value.shape == (fields,)
        assert value.dtype == jnp.float32


def test_coefficients_can_be_learned(x64):
    problem = eqx.tree_at(lambda p: p.diffusivity, AllenCahn(), jnp.asarray(2e-4))
    jet = Jet(jnp.ones(1), jnp.zeros((1, 2)), jnp.array([[0.0, 7.0]]))
    gradient = eqx.filter_grad(lambda p: p.residual(jnp.zeros(2), jet)[0])(problem)
    assert gradient.diffusivity == -7
    assert not eqx.filter(AllenCahn(), eqx.is_array).diffusivity


def test_a_hundred_dimensions_keep_the_size_of_the_solution():
    values = Poisson(100).solution(interior_points(Poisson(100), 20_000, seed=6))
    assert np.mean(values**2) == pytest.approx(1, rel=0.03)


def test_names_fit_the_coordinates():
    for problem in ALL:
        assert len(problem.coordinates) == problem.dims == len(problem.upper)
        assert {quantity.units for quantity in (*problem.coordinates, *problem.fields)} == {"1"}


def test_points_must_fit_the_box():
    with pytest.raises(GridMismatchError, match=r"shape \(4, 3\), but Helmholtz .*'x', 'y'"):
        Helmholtz().solution(np.zeros((4, 3)))
    for outside in (1.1, np.nan):
        with pytest.raises(GridMismatchError, match="leaves the box of Burgers"):
            Burgers().solution(np.array([[0.5, 0.0], [0.5, outside]]))
    # What single precision does to a coordinate is forgiven.
    assert np.abs(Helmholtz().solution(np.array([[1 + 1e-7, 0.1]]))).max() < 1e-15


def test_refuses_what_would_not_be_the_problem():
    with pytest.raises(ClosuraxError, match="`waves_y` = 0"):
        Helmholtz(1, 0)
    with pytest.raises(ClosuraxError, match="`dims` = 1"):
        Poisson(1)

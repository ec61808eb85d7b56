"""Coordinates that are finer at the walls, and the layers that need them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import (
    AllenCahn,
    Burgers,
    Clustered,
    FlowMixing,
    NonlinearDiffusion,
    jet_at,
)


@pytest.mark.parametrize("inner", [Burgers(), FlowMixing(), NonlinearDiffusion()], ids=repr)
def test_tendencies_and_values_are_those_of_the_problem_itself(x64, inner):
    problem = Clustered(inner)
    assert problem.dims == inner.dims and problem.coordinates[-1].name.startswith("xi_")
    point = jnp.asarray([0.3, 0.2, -0.7][: inner.dims])

    def field(place):
        return (2 + jnp.sin(place[0]) * jnp.cos(2 * place[-1]))[None]

    physical = problem.physical(point)

    def clustered(place):
        return field(problem.physical(jnp.concatenate([point[:1], place]))[1:])

    expected = inner.tendency(physical, jet_at(field, physical[1:]))
    found = problem.tendency(point, jet_at(clustered, point[1:]))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(problem.initial(point[1:]), inner.initial(physical[1:]))
    np.testing.assert_allclose(problem.lift(point), inner.lift(physical))
    back = problem.from_physical([np.asarray(each)[None] for each in physical[1:]])
    np.testing.assert_allclose(np.concatenate(back), point[1:], rtol=1e-13)


def test_solutions_are_taken_at_the_points_meant():
    points = np.array([[0.4, 0.5, -0.3], [1.0, -1.0, 0.2]])
    inner = FlowMixing()
    moved = np.concatenate([points[:, :1], 4 * np.sin(np.pi / 2 * points[:, 1:])], axis=1)
    np.testing.assert_array_equal(Clustered(inner).solution(points), inner.solution(moved))
    assert len(Clustered(inner).conditions()) == 5


def test_periodic_axes_have_no_walls():
    with pytest.raises(ClosuraxError, match="AllenCahn has a periodic axis"):
        Clustered(AllenCahn())


def test_the_layer_at_a_wall_is_close_to_the_similarity_solution(x64):
    """Of (f^2)'' = -eta f', by shooting with the slope of f^2 that ends at 1."""
    eta = np.linspace(0.01, 8, 200)

    def change(eta, state):
        return state[1], -eta * state[1] / 2 / np.sqrt(state[0])

    slope = 0.664114670769856
    start = [1e-6 * slope, slope]
    found = scipy.integrate.solve_ivp(change, (1e-6, 8), start, t_eval=eta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.y[0, -1], 1, atol=1e-5)
    problem = NonlinearDiffusion()
    t = 1e-3
    u0 = float(problem.initial(jnp.asarray([-1.0, -0.1]))[0])
    d = eta * np.sqrt(problem.coefficient * u0 * t)
    points = jnp.stack([jnp.full(200, t), jnp.asarray(d - 1), jnp.full(200, -0.1)], axis=-1)
    layer = jax.vmap(problem.lift)(points) / jax.vmap(problem.initial)(points[:, 1:])
    # The initial state rises by a tenth within the layer.
    np.testing.assert_allclose(layer[:, 0], np.sqrt(found.y[0]), atol=0.04)


def test_a_negative_value_does_not_diffuse(x64):
    problem, point = NonlinearDiffusion(), jnp.asarray([0.1, 0.2, 0.3])

    def ripple(height):
        return lambda place: (height + 0.1 * jnp.sin(place[0]) + place[1] ** 2)[None]

    jets = [jet_at(ripple(height), point[1:]) for height in (-2.0, -1.0)]
    below, above = (problem.tendency(point, jet) for jet in jets)
    np.testing.assert_array_equal(below, above)
    np.testing.assert_allclose(below, 0.05 * np.sum(np.asarray(jets[0].gradient) ** 2))

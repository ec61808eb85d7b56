"""Fields on the grids of models, and over ranges of a coefficient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.pdes import Burgers as BurgersModel
from closurax.physics.problems import AllenCahn, Burgers, Helmholtz, Parametric, jet_at
from closurax.physics.spectral import PeriodicInterval
from closurax.surrogates.fields import AbstractField, on_axes


class Wave(AbstractField):
    def __call__(self, point):
        return (1 + point[0]) * jnp.sin(jnp.pi * point[1:2])

    def jet(self, point):
        return jet_at(self, point)


def test_a_model_starts_from_a_field(x64):
    model = BurgersModel(PeriodicInterval(16, length=2.0))
    found = on_axes(AllenCahn(), Wave(), {"x": model.grid.x, "t": 0.5})
    assert found["u"].dims == ("x",) and found["t"].shape == () and float(found["t"]) == 0.5
    # Beyond the box of the problem, which ends at 1, it goes on periodically.
    np.testing.assert_allclose(found["u"], 1.5 * np.sin(np.pi * model.grid.x), atol=1e-14)
    run = model.run(model.initial_state(found["u"].values), 0.1, save_every=0.1, dt=0.05)
    np.testing.assert_allclose(run["velocity"][0], found["u"], atol=1e-12)


def test_other_coordinates_and_places_are_refused(x64):
    with pytest.raises(ClosuraxError, match="has the coordinates"):
        on_axes(AllenCahn(), Wave(), {"x": 0.0})
    with pytest.raises(GridMismatchError, match="leaves the box"):
        on_axes(AllenCahn(), Wave(), {"t": 2.0, "x": 0.0})
    with pytest.raises(GridMismatchError, match="leaves the box"):
        on_axes(Burgers(), Wave(), {"t": 0.0, "x": np.array([0.0, 1.5])})


def test_a_coefficient_is_one_more_coordinate(x64):
    problem = Parametric(Burgers(), "viscosity", 0.1, 0.2)
    assert [quantity.name for quantity in problem.coordinates] == ["t", "x", "viscosity"]
    assert problem.lower == (0, -1, 0.1) and problem.periodic == (False,) * 3
    point = jnp.asarray([0.3, 0.2, 0.15])

    def field(point):
        return Wave()(point[:2]) + point[2:] ** 2

    jet, at = jet_at(field, point), Burgers(viscosity=0.15)
    expected = at.residual(point[:2], jet_at(lambda p: field(jnp.append(p, 0.15)), point[:2]))
    np.testing.assert_allclose(problem.residual(point, jet), expected, rtol=1e-12)
    for one, other in zip(problem.conditions(), at.conditions(), strict=True):
        assert one.name == other.name and one.axis == other.axis
        np.testing.assert_allclose(
            one.residual(point, jet), other.residual(point[:2], jax.tree.map(jnp.asarray, jet))
        )
    points = np.array([[0.5, 0.3, 0.1], [0.5, 0.3, 0.2]])
    expected = [Burgers(nu).solution(points[:1, :2])[0] for nu in (0.1, 0.2)]
    np.testing.assert_array_equal(problem.solution(points), expected)


def test_coefficients_that_cannot_be_coordinates_are_refused():
    with pytest.raises(ClosuraxError, match="no coefficient 'waves_x'"):
        Parametric(Helmholtz(), "waves_x", 1.0, 4.0)
    with pytest.raises(ClosuraxError, match="is empty"):
        Parametric(Burgers(), "viscosity", 0.2, 0.1)

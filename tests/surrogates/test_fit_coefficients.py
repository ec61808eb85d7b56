"""Coefficients of problems from observations: what is found, and how sure that is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.physics.errors import ClosuraxError, DataError, GridMismatchError
from closurax.physics.problems import Burgers, WithoutConditions
from closurax.surrogates import fit_coefficients, fit_observations
from closurax.surrogates.fields import AbstractField, LinearField
from closurax.surrogates.training.fit_gaussians import quasi_random_gaussians
from closurax.surrogates.training.observed_points import observed_points

NOISE = 0.02


class Decaying(AbstractField):
    """A sine that decays with the viscosity, as Burgers' equation without advection has it."""

    rate: jax.Array

    def __call__(self, point):
        return (jnp.exp(-self.rate * point[0]) * jnp.sin(jnp.pi * point[1]))[None]

    def jet(self, point):
        raise NotImplementedError


def solve(problem):
    return Decaying(jnp.asarray(10 * problem.viscosity))


def observed(seed=0, viscosity=0.3, count=200):
    generator = np.random.default_rng(seed)
    t, x = generator.uniform([0, -1], [1, 1], (count, 2)).T
    u = np.exp(-10 * viscosity * t) * np.sin(np.pi * x) + NOISE * generator.standard_normal(count)
    return xr.Dataset({"u": ("place", u)}, {"t": ("place", t), "x": ("place", x)})


def test_the_coefficient_has_the_variance_of_the_bound_and_covers_the_truth(x64):
    fits = [
        fit_coefficients(Burgers(1.0), ["viscosity"], observed(seed), solve, progress=False)
        for seed in range(20)
    ]
    values = np.array([float(fit.coefficients["value"][0]) for fit in fits])
    deviations = np.array([float(fit.coefficients["standard_deviation"][0]) for fit in fits])
    t, x = (observed(0)[name].values for name in ("t", "x"))
    slopes = -10 * t * np.exp(-3 * t) * np.sin(np.pi * x)
    bound = NOISE / np.linalg.norm(slopes)
    assert abs(deviations.mean() / bound - 1) < 0.1
    assert 0.6 < np.sqrt(np.mean((values - 0.3) ** 2)) / bound < 1.5
    assert np.mean(np.abs(values - 0.3) < 1.96 * deviations) >= 0.85
    assert abs(np.mean([fit.noise for fit in fits]) / NOISE - 1) < 0.05
    assert fits[0].coefficients["coefficient"].values.tolist() == ["viscosity"]
    assert float(fits[0].problem.viscosity) == values[0]


def test_a_prior_moves_the_coefficient_as_bayes_rule_says(x64):
    data = observed()
    free = fit_coefficients(Burgers(0.2), ["viscosity"], data, solve, noise=1.0, progress=False)
    bound = fit_coefficients(
        Burgers(0.2), ["viscosity"], data, solve,
        noise=1.0, prior={"viscosity": 1e-4}, progress=False,
    )  # fmt: skip
    assert abs(float(bound.coefficients["value"][0]) - 0.2) < 1e-4
    assert float(bound.coefficients["standard_deviation"][0]) < 1e-4
    assert float(free.coefficients["standard_deviation"][0]) > 1e-3


def test_steps_keep_positive_what_must_be(x64):
    found = fit_coefficients(
        Burgers(5.0), ["viscosity"], observed(), solve, positive=["viscosity"], progress=False
    )
    assert abs(float(found.problem.viscosity) - 0.3) < 0.02


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["viscosty"], {}, "no coefficient 'viscosty'"),
        (["lower"], {}, "no coefficient 'lower'"),
        (["viscosity"] * 2, {}, "twice"),
        ([], {}, "at least one of `names`"),
        (["viscosity"], {"noise": -1.0}, "positive `noise`"),
        (["viscosity"], {"prior": {"u": 1.0}}, "`prior` has 'u'"),
        (["viscosity"], {"positive": ["u"]}, "`positive`"),
    ],
)
def test_questions_that_make_no_sense_are_refused(x64, names, options, message):
    with pytest.raises(ClosuraxError, match=message):
        fit_coefficients(Burgers(), names, observed(), solve, progress=False, **options)


def test_single_precision_is_refused():
    with pytest.raises(ClosuraxError, match="needs float64"):
        fit_coefficients(Burgers(), ["viscosity"], observed(), solve, progress=False)


def test_coefficients_that_nothing_depends_on_are_told(x64):
    def constant(problem):
        return Decaying(jnp.asarray(3.0) + 0.0 * problem.viscosity)

    with pytest.raises(ClosuraxError, match="do not tell the coefficients apart"):
        fit_coefficients(
            Burgers(1.0), ["viscosity"], observed(), constant, noise=NOISE, progress=False
        )


def test_observations_on_a_grid_are_points_and_missing_values_none(x64):
    grid = xr.Dataset(
        {"u": (("t", "x"), [[1.0, np.nan], [3.0, 4.0]])}, {"t": [0.0, 1.0], "x": [-0.5, 0.5]}
    )
    found = observed_points(Burgers(), grid)
    assert found.points.tolist() == [[0, -0.5], [1, -0.5], [1, 0.5]]
    assert found.values.tolist() == [1, 3, 4] and found.field.tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="lacks the coordinates"):
        observed_points(Burgers(), grid.drop_vars("x"))
    with pytest.raises(DataError, match="has \\['v'\\]"):
        observed_points(Burgers(), grid.rename(u="v"))
    with pytest.raises(DataError, match="holds no value"):
        observed_points(Burgers(), grid * np.nan)
    with pytest.raises(GridMismatchError, match="leaves the box"):
        observed_points(Burgers(), grid.assign_coords(x=[-3.0, 0.5]))


@pytest.fixture(scope="module")
def with_physics():
    """The viscosity of Burgers' equation, which the solution tells, from the field and it."""
    with jax.enable_x64(True):
        truth = Burgers(viscosity=0.1)
        features = quasi_random_gaussians(truth, 120, np.array([9.0, 13.0]), 2.0, 0)
        field = LinearField(features, jnp.zeros((120, 1)))
        generator = np.random.default_rng(1)
        points = generator.uniform([0, -1], [1, 1], (200, 2))
        values = truth.solution(points)[:, 0] + NOISE * generator.standard_normal(200)
        data = xr.Dataset(
            {"u": ("place", values)}, {"t": ("place", points[:, 0]), "x": ("place", points[:, 1])}
        )
        yield truth, field, data, fit_observations(Burgers(0.05), field, data, ["viscosity"])


def test_field_and_coefficient_are_found_together(with_physics, x64):
    truth, _, _, found = with_physics
    value, deviation = (
        float(found.coefficients[name][0]) for name in ("value", "standard_deviation")
    )
    assert deviation < 0.002 and abs(value - 0.1) < 3 * deviation
    assert abs(found.noise / NOISE - 1) < 0.2
    # So few features do not satisfy the equations; the coefficient is not biased by that.
    assert found.equation_error > 1e-3
    points = np.random.default_rng(2).uniform([0, -1], [1, 1], (300, 2))
    error = np.asarray(jax.vmap(found.field)(jnp.asarray(points))) - truth.solution(points)
    assert np.sqrt(np.mean(error**2)) < 0.3 * NOISE


def test_conditions_can_be_left_out():
    problem = WithoutConditions(Burgers(), ["initial state"])
    names = [condition.name for condition in problem.conditions()]
    assert "initial state" not in names and len(names) == 2
    assert eqx.tree_equal(problem.problem, Burgers())
    with pytest.raises(ClosuraxError, match="no condition 'start'"):
        WithoutConditions(Burgers(), ["start"])

import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.surrogates import ensemble_kalman_inversion

SLOPE = np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.3]])
NOISE = np.diag([0.1, 0.2, 0.05])
PRIOR_MEAN, PRIOR = np.array([0.5, -0.5]), np.array([[1.0, 0.3], [0.3, 0.5]])
DATA = np.array([1.0, -0.5, 2.0])


def invert(simulate=lambda p: p @ SLOPE.T, **changes):
    settings = {
        "prior_mean": PRIOR_MEAN,
        "prior_covariance": PRIOR,
        "data": DATA,
        "data_covariance": NOISE,
        "members": 4000,
        "iterations": 3,
        "seed": 0,
        "progress": False,
        **changes,
    }
    return ensemble_kalman_inversion(simulate, **settings)


@pytest.mark.parametrize("iterations", [1, 4])
def test_a_linear_problem_has_its_exact_posterior(iterations):
    precision = np.linalg.inv(PRIOR) + SLOPE.T @ np.linalg.solve(NOISE, SLOPE)
    covariance = np.linalg.inv(precision)
    shift = np.linalg.solve(PRIOR, PRIOR_MEAN) + SLOPE.T @ np.linalg.solve(NOISE, DATA)
    found = invert(iterations=iterations)
    np.testing.assert_allclose(found.mean, covariance @ shift, atol=0.03)
    np.testing.assert_allclose(found.covariance, covariance, atol=0.01)
    assert found.history["parameters"].shape == (iterations + 1, 4000, 2)


def test_a_nonlinear_problem_converges_to_the_truth():
    truth = np.array([0.3, 0.8])

    def simulate(parameters):
        growth = np.exp(parameters)
        return np.stack([growth[:, 0], growth.sum(1), growth.prod(1)], axis=1)

    found = invert(
        simulate,
        data=simulate(truth[None])[0],
        data_covariance=1e-4 * np.eye(3),
        members=100,
        iterations=8,
    )
    np.testing.assert_allclose(found.mean, truth, atol=0.02)
    assert found.history["misfit"][-2] < 1e-2 * found.history["misfit"][0]


def test_failed_simulations_are_replaced():
    def simulate(parameters):
        results = parameters @ SLOPE.T
        results[parameters[:, 0] > 1.5] = np.nan
        return results

    found = invert(simulate, members=500)
    assert np.isfinite(found.history["parameters"]).all()
    np.testing.assert_allclose(found.mean, invert(members=500).mean, atol=0.2)


def test_too_few_survivors_end_it():
    def simulate(parameters):
        results = parameters @ SLOPE.T
        results[2:] = np.nan
        return results

    with pytest.raises(ClosuraxError, match="Only 2 of 8 simulations stayed finite"):
        invert(simulate, members=8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 2}, "cannot span 2 parameters"),
        ({"iterations": 0}, "`iterations` must be at least 1"),
        ({"simulate": lambda p: p}, "`simulate` returned shape"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ClosuraxError, match=message):
        invert(**{"members": 10, **changes})

"""Coefficients from observations: the experiment at its smallest, and its baselines."""

import json

import numpy as np
import pytest

from closurax import run_experiment
from closurax.config import read_experiment
from closurax.experiments.inverse_baselines import (
    regress_derivatives,
    regress_weakly,
    simulated,
)
from closurax.physics.errors import ExperimentError

NAME = "inverse-allen-cahn-pig"
TIMES, PLACES = np.linspace(0, 1, 101), np.linspace(-1, 1, 256, endpoint=False)


@pytest.fixture(scope="module")
def solution():
    return simulated(1e-3, 4.0, TIMES, PLACES, modes=256, steps=150)


def test_simulated_values_are_even_and_start_right(solution):
    np.testing.assert_allclose(solution[:, 1:], solution[:, :0:-1], atol=1e-13)
    np.testing.assert_allclose(solution[0], PLACES**2 * np.cos(np.pi * PLACES), atol=1e-11)


@pytest.mark.parametrize("regress", [regress_weakly, regress_derivatives])
def test_regression_of_a_solution_without_noise_finds_its_coefficients(solution, regress):
    np.testing.assert_allclose(regress(solution, TIMES, PLACES), [1e-3, 4.0], rtol=0.05)
    known = regress(solution, TIMES, PLACES, 1e-3)
    assert known[0] == 1e-3 and abs(known[1] / 4 - 1) < 0.01


@pytest.mark.slow
def test_coefficients_are_found_judged_and_reported(tmp_path, outside_references):
    settings = {
        "gaussians": 80,
        "realisations": 2,
        "truth.diffusivity": 1e-3,
        "start.diffusivity": 2e-3,
        "observations.times": 21,
        "observations.places": 64,
    }
    metrics = run_experiment(NAME, settings, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics
    for method, name in (
        ("one", "reaction_rate"),
        ("both", "reaction_rate"),
        ("both", "diffusivity"),
    ):
        bound = metrics[f"bound_{method}.{name}_deviation"]
        assert abs(metrics[f"gaussians_{method}.{name}_deviation"] / bound - 1) < 0.1
        assert metrics[f"gaussians_{method}.{name}_error_worst"] < 4 * bound
        assert metrics[f"solver_{method}.{name}_error"] < 4 * bound
    page = (tmp_path / "run" / "report.html").read_text()
    assert not outside_references(page) and "Cramér" in page


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"start.diffusivity": 0.0}, "'start.diffusivity' = 0"),
        ({"observations.noise": 0.0}, "'observations.noise' = 0"),
        ({"observations.places": 65}, "observations.places"),
        ({"observations.times": 20001}, "are more than"),
    ],
)
def test_settings_that_make_no_sense_are_refused(overrides, message):
    with pytest.raises(ExperimentError, match=message):
        read_experiment(NAME, overrides)

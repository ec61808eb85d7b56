"""The comparisons of operators at their smallest, and what they leave on disk."""

import json

import numpy as np
import pytest

from closurax import run_experiment, surrogates
from closurax.config import read_experiment
from closurax.physics.errors import DataError, ExperimentError
from closurax.surrogates.operators import FieldSurrogate

TINY = {
    "compared": ["mgno", "deeponet"],
    "data.training_samples": 20,
    "data.test_samples": 6,
    "data.validation_samples": 4,
    "data.refinement": 1,
    "data.finer_refinement": 1,
    "data.workers": 1,
    "training.passes": 1,
}


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "points"), [("darcy", 16), ("helmholtz", 17)])
def test_operators_are_trained_judged_and_reported(problem, points, tmp_path, outside_references):
    settings = {**TINY, "data.grid_points": points}
    if problem == "helmholtz":
        settings["compared"] = ["mgno"]
    metrics = run_experiment(problem, settings, tmp_path / "run")
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written == metrics
    assert all(np.isfinite(value) for value in metrics.values())
    # The labels are those of the classical solver on this grid.
    assert metrics["solver.l2"] < 1e-5 < metrics["ridge.l2"]
    assert metrics["mgno.finer_l2"] > 0
    surrogate = surrogates.load(tmp_path / "run" / "operators" / "mgno-0.eqx")
    assert isinstance(surrogate, FieldSurrogate)
    page = (tmp_path / "run" / "report.html").read_text()
    assert not outside_references(page) and "Learning curves" in page


def test_settings_that_leave_nothing_for_training_are_refused():
    with pytest.raises(ExperimentError, match="leaves nothing for training"):
        read_experiment("darcy", {"data.validation_samples": 600})


def test_a_file_without_the_variable_is_refused_before_any_training(tmp_path):
    with pytest.raises(DataError, match="no file"):
        run_experiment("darcy", {**TINY, "data.training": "nowhere.nc"}, tmp_path / "run")

"""The experiments that make data sets of elliptic problems."""

import json

import pytest

from closurax import run_experiment
from closurax.config import read_experiment
from closurax.datasets import open_fields
from closurax.physics.errors import ExperimentError

TINY = {"data.samples": 3, "data.grid_points": 8, "data.workers": 1}


def test_generate_darcy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = {**TINY, "data.refinement": 3, "data.coefficient": "rough"}
    metrics = run_experiment("generate-darcy", settings, "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics
    assert metrics["samples"] == 3 and 0 < metrics["coarse_solver_error"] < 0.3
    with open_fields("out/darcy.nc", ["a"], ["u"]) as data:
        assert data.sizes == {"sample": 3, "x": 8, "y": 8}
        assert set(data["a"].values.ravel()) <= {2.0, 12.0}
        assert metrics["solution_rms"] == pytest.approx(float((data["u"] ** 2).mean()) ** 0.5)
    run_experiment("generate-darcy", {**settings, "data.workers": 2}, "out", resume=True)
    assert "skipped" in capsys.readouterr().out


def test_generate_helmholtz(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = run_experiment("generate-helmholtz", {**TINY, "data.frequency": 100.0}, "out")
    assert metrics["samples"] == 3 and metrics["solution_rms"] > 0
    with open_fields("out/helmholtz.nc", ["c"], ["u"]) as data:
        assert data.sizes == {"sample": 3, "x": 8, "y": 8}
        assert data.attrs["frequency"] == 100.0


@pytest.mark.parametrize(
    "name, key, value, message",
    [
        ("generate-darcy", "data.refinement", 4, "refinement = 4 is not odd"),
        ("generate-darcy", "data.coefficient", "flat", "data.coefficient"),
        ("generate-helmholtz", "data.samples", 0, "data.samples"),
        ("generate-helmholtz", "data.frequency", -1.0, "data.frequency"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(name, key, value, message):
    with pytest.raises(ExperimentError, match=message):
        read_experiment(name, {key: value})

"""The experiment that makes trajectories, for every equation, on tiny grids."""

import json

import numpy as np
import pytest

from closurax import run_experiment
from closurax.config import read_experiment
from closurax.datasets import open_trajectories
from closurax.physics.errors import ExperimentError

TINY = {"grid_points": 16, "every_point": 2, "spin_up": 0.0}
SHAPES = {
    "navier-stokes": ({"vorticity"}, (2, 3, 8, 8)),
    "burgers": ({"velocity"}, (2, 3, 8)),
    "kuramoto-sivashinsky": ({"velocity"}, (2, 3, 8)),
    "allen-cahn": ({"phase"}, (2, 3, 8, 8)),
    "advection": ({"tracer"}, (2, 3, 8)),
    "shallow-water": ({"u", "v", "elevation"}, (2, 3, 8, 8)),
}


@pytest.mark.parametrize("equation", SHAPES)
def test_every_equation_makes_its_trajectories(equation, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = equation.replace("-", "_")
    step = read_experiment("generate-trajectories", {"equation": equation}).chosen.time_step
    times = {"save_every": 2 * step, "duration": 4 * step}
    overrides = {f"{table}.{name}": value for name, value in {**TINY, **times}.items()}
    overrides |= {"equation": equation, "samples": 2, "chunk": 2}
    metrics = run_experiment("generate-trajectories", overrides, out="out")
    names, shape = SHAPES[equation]
    with open_trajectories("out/trajectories.nc") as data:
        assert set(data.data_vars) == names
        for name in names:
            assert data[name].shape == shape
            rms = np.sqrt(np.mean(data[name].values.astype(float) ** 2))
            assert metrics[f"{name}_rms"] == pytest.approx(rms) and rms > 0
        assert equation in data.attrs["title"]
    with open("out/metrics.json", encoding="utf-8") as file:
        assert json.load(file) == metrics
    run_experiment("generate-trajectories", overrides, out="out", resume=True)
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"equation": "heat"}, "equation.*'navier-stokes'"),
        ({"burgers.save_every": 0.03}, "duration = 1 is not a multiple of save_every = 0.03"),
        ({"advection.time_step": 0.04}, "save_every = 0.05 is not a multiple of time_step"),
        ({"navier_stokes.every_point": 3}, "every_point = 3 does not divide grid_points = 256"),
    ],
)
def test_settings_that_do_not_fit_are_refused(overrides, message):
    with pytest.raises(ExperimentError, match=message):
        read_experiment("generate-trajectories", overrides)

"""The experiments that train closures in the simulation, at their smallest."""

import json

import numpy as np
import pytest
import xarray as xr

from closurax import run_experiment, surrogates
from closurax.config import read_experiment
from closurax.experiments.closure_judge import sampling_error, scores
from closurax.experiments.closure_training_settings import Check
from closurax.experiments.coarse_turbulence import coarse_model
from closurax.experiments.turbulence_online import untrained
from closurax.physics.errors import DataError, ExperimentError
from closurax.surrogates.closures import AgentClosure

CHECK = {
    "check.members": 2,
    "check.spin_up": 0.5,
    "check.duration": 2.0,
    "check.resamples": 50,
}


@pytest.mark.slow
def test_gradients_from_the_command_to_the_report(tmp_path, outside_references):
    settings = {**CHECK, "training.iterations": 2, "training.members": 2, "training.windows": [0.2]}
    metrics = run_experiment("turbulence-online", settings, tmp_path)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["training.iterations"] == 2 and metrics["trained.blow_ups"] == 0
    low, high = metrics["trained.spectrum_error_low"], metrics["trained.spectrum_error_high"]
    assert 0 < low <= high
    closure = surrogates.load(tmp_path / "closure.eqx")
    assert closure.second.viscosity.shape == (8,)
    with xr.open_dataset(tmp_path / "statistics" / "trained.nc") as found:
        assert found["enstrophy_spectrum"].shape == (2, 16)
    assert not outside_references((tmp_path / "report.html").read_text())


@pytest.mark.slow
def test_a_comparison_from_calibration_to_the_tables(tmp_path):
    settings = {
        **CHECK,
        "physical": ["leith"],
        "calibration.members": 4,
        "calibration.iterations": 1,
        "calibration.runs": 1,
        "calibration.spin_up": 0.5,
        "calibration.duration": 0.5,
        "offline.methods": ["linear"],
        "learned.methods": ["ppo"],
        "learned.seeds": 1,
        "learned.iterations": 1,
        "generalisation.members": 2,
        "generalisation.spin_up": 0.5,
        "generalisation.cells": [
            {"case": "kf4_beta20", "grid_points": 48, "time_step": 0.02, "duration": 1.0}
        ],
    }
    metrics = run_experiment("turbulence-compare", settings, tmp_path)
    rows = {name.split(".")[0] for name in metrics}
    closures = {"none", "leith", "offline_linear", "ppo_0"}
    assert rows == closures | {"dns", "kf4_beta20_48"}
    costs = {name: metrics[f"{name}.seconds_per_time_unit"] for name in rows & (closures | {"dns"})}
    assert costs["dns"] > max(costs[name] for name in closures)
    assert metrics["kf4_beta20_48.ppo_0.spectrum_error"] > 0
    tables = (tmp_path / "comparison.md").read_text()
    assert "PPO, seed 0" in tables and "Leith, tuned" in tables
    closure = surrogates.load(tmp_path / "closures" / "ppo_0" / "closure.eqx")
    assert isinstance(closure, AgentClosure)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("turbulence-online", {"model.case": "kf25"}, "does not resolve the forcing"),
        ("turbulence-online", {"closure.form": "file"}, "give `file` together with"),
        ("turbulence-online", {"training.windows": [0.3]}, "not a multiple of training.save_every"),
        ("turbulence-ppo", {"check.save_every": 0.03}, "not a multiple of"),
        ("turbulence-ppo", {"model.grid_points": 50}, "is not allowed"),
        ("turbulence-vracer", {"training.batch_size": 0}, "is not allowed"),
        (
            "turbulence-compare",
            {
                "generalisation.cells": [
                    {"case": "kf25", "grid_points": 48, "time_step": 0.02, "duration": 1.0}
                ]
            },
            "do not resolve the forcing",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(name, changes, message):
    with pytest.raises(ExperimentError, match=message):
        read_experiment(name, changes)


def test_agents_must_start_within_their_bounds(tmp_path):
    with pytest.raises(ExperimentError, match="must lie between"):
        run_experiment("turbulence-ppo", {"agents.start": [0.5, 0.0]}, tmp_path / "a")
    with pytest.raises(ExperimentError, match="must hold 1 coefficients"):
        run_experiment("turbulence-ppo", {"agents.form": "leith"}, tmp_path / "b")


def test_convolutional_agents_start_from_the_coefficients_given():
    changes = {"closure.form": "convolutional", "closure.start": [0.02, 0.01]}
    settings = read_experiment("turbulence-online", changes)
    closure, grid = untrained(settings), coarse_model(settings.model).grid
    vorticity = np.random.default_rng(0).standard_normal(grid.shape)
    coefficients = closure.coefficients(grid, grid.to_spectral(vorticity))
    assert coefficients.shape == (2, *grid.shape)
    np.testing.assert_allclose(coefficients.mean(axis=(1, 2)), [0.02, 0.01], rtol=0.05)
    assert 0 < coefficients.std() and coefficients.std(axis=(1, 2)).max() < 0.002
    with pytest.raises(ExperimentError, match="closure.start"):
        untrained(read_experiment("turbulence-online", changes | {"closure.start": [9.0, 0.0]}))


def test_more_snapshots_than_there_are(tmp_path):
    with pytest.raises(DataError, match="target.snapshots = 900, but the shipped file holds"):
        run_experiment("turbulence-ppo", {"target.snapshots": 900}, tmp_path)


CASE = xr.Dataset(
    {
        "enstrophy_spectrum": (("block", "k"), np.array([[1, 4.0, 2, 1], [1, 6.0, 2, 1]])),
        "energy": ("time", [1.0, 1.2, 1.1]),
        "enstrophy": (("cutoff", "time"), [[2.0, 2, 2]]),
        "vorticity_std": ("cutoff", [2.0]),
        "vorticity_count": (("cutoff", "bin"), [[10, 80, 10]]),
        "tail_probability": (("cutoff", "block", "threshold"), [[[0.1, 0.01, 0.001]] * 2]),
        "largest_vorticity": (("cutoff", "time"), [[8.0, 8, 8]]),
        "autocorrelation": ("lag", [1.0, 0.5, 0.0]),
        "subgrid_energy_transfer": (("cutoff", "k"), [[0.0, 0.1, -0.3, -0.1]]),
    },
    {
        "k": np.arange(4.0),
        "cutoff": [3],
        "bin": [-0.5, 0.0, 0.5],
        "threshold": [3.0, 4.0, 5.0],
        "lag": [0.0, 1, 2],
        "time": [0.0, 10, 20],
    },
)
FOUND = xr.Dataset(
    {
        "enstrophy_spectrum": (("member", "k"), np.array([[1, 5.0, 2, 1]] * 2)),
        "energy": (("member", "time"), [[1.1, 1.1], [1.1, 1.1]]),
        "enstrophy": (("member", "time"), [[4.0, 4], [4, 4]]),
        "tail_probability": (("member", "threshold"), [[0.2, 0.01, 0.0]] * 2),
        "probability": (("member", "bin"), [[0.1, 0.8, 0.1]] * 2),
        "return_level": ("period", [4.0, 4.0]),
        "autocorrelation": ("lag", [1.0, 0.5, 0.0]),
        "subgrid_energy_rate": ((), -0.3),
        "subgrid_backscatter_energy_rate": ((), 0.1),
    },
    {"k": np.arange(4.0), "bin": [-0.5, 0.0, 0.5], "lag": [0.0, 1, 2]},
    {"blow_ups": 0, "seconds_per_time_unit": 0.5},
)
SETTINGS = Check(
    members=2, spin_up=1.0, duration=1.0, save_every=1.0, confidence=0.9, resamples=200
)


def test_scores_of_a_run_that_is_the_dns_but_for_its_tails():
    found = scores(FOUND, CASE, SETTINGS, 0)
    assert found["spectrum_error"] == pytest.approx(0)
    # Resampled blocks have 4, 5 or 6 in the first shell of three.
    assert found["spectrum_error_high"] == pytest.approx(np.log(5 / 4) / 3**0.5)
    assert found["tail_ratio_3std"] == pytest.approx(2)
    assert found["tail_ratio_4std"] == pytest.approx(1)
    assert found["tail_ratio_5std"] == 0
    assert found["pdf_error"] == pytest.approx(0)
    assert found["enstrophy_ratio"] == pytest.approx(2)
    assert found["correlation_time_ratio"] == pytest.approx(1)
    assert found["subgrid_backscatter_rate_dns"] == pytest.approx(0.1)
    assert found["subgrid_energy_rate_dns"] == pytest.approx(-0.3)
    assert sampling_error(CASE, 3) == pytest.approx(0.2 / 3**0.5)


def test_a_run_without_survivors_has_nothing_but_its_end():
    lost = xr.Dataset(attrs={"blow_ups": 2, "seconds_per_time_unit": 0.5})
    assert scores(lost, CASE, SETTINGS, 0) == {"blow_ups": 2.0, "seconds_per_time_unit": 0.5}

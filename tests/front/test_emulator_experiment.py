"""The emulators of a flow at their smallest, how they are judged, and what stays on disk."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax import run_experiment, surrogates
from closurax.config import read_experiment
from closurax.experiments.emulator_forecasts import coarse_solver
from closurax.experiments.emulator_scores import emulator_scores, summary
from closurax.physics.errors import ExperimentError
from closurax.surrogates.operators import ConservedMean, FieldSurrogate, ResidualStep

NAME = "navier-stokes-emulator"
TINY = {
    "compared": ["mgno"],
    "data.training_trajectories": 2,
    "data.validation_trajectories": 1,
    "data.test_trajectories": 2,
    "data.chunk": 3,
    "training.passes": 1,
    "training.batch_size": 2,
    "training.unrolled_steps": 2,
    "training.unrolled_passes": 1,
    "training.unrolled_batch_size": 2,
    "mgno.width": 2,
    "mgno.depth": 1,
    "fno.width": 2,
    "fno.depth": 1,
    "fno.modes": 4,
    "navier_stokes.grid_points": 16,
    "navier_stokes.duration": 4.0,
    "navier_stokes.time_step": 0.1,
    "kuramoto_sivashinsky.grid_points": 32,
    "kuramoto_sivashinsky.length": 16.0,
    "kuramoto_sivashinsky.spin_up": 20.0,
    "kuramoto_sivashinsky.duration": 4.0,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "changes"),
    [
        ("navier-stokes", {}),
        ("kuramoto-sivashinsky", {"compared": ["fno"], "training.unrolled_steps": 1}),
    ],
)
def test_emulators_are_trained_judged_and_reported(
    equation, changes, tmp_path, outside_references, capsys
):
    settings = {**TINY, "equation": equation, **changes}
    metrics = run_experiment(NAME, settings, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics
    assert all(np.isfinite(value) for value in metrics.values())
    (name,) = settings["compared"]
    unrolls = settings["training.unrolled_steps"] > 1
    assert (f"{name}_one_step.l2_end" in metrics) == unrolls
    assert metrics["coarse_solver.l2_first"] < metrics["persistence.l2_first"]
    assert metrics["coarse_solver.stable_longer"] == 1
    with xr.open_dataset(tmp_path / "run" / "rollouts.nc", engine="netcdf4") as rollouts:
        truth, run = rollouts["truth"].values, rollouts[name].values
        assert truth.shape[:2] == (2, 5) and rollouts["truth"].attrs["units"]
        np.testing.assert_array_equal(run[:, 0], truth[:, 0])
        file = f"{name}-unrolled.eqx" if unrolls else f"{name}-one-step.eqx"
        surrogate = surrogates.load(tmp_path / "run" / "operators" / file)
        assert isinstance(surrogate, FieldSurrogate)
        assert isinstance(surrogate.operator, ConservedMean)
        assert isinstance(surrogate.operator.operator, ResidualStep) == (name == "mgno")
        np.testing.assert_allclose(run.mean(), truth.mean(), atol=1e-5 * np.abs(truth).max())
        second = np.asarray(surrogate(surrogate(jnp.asarray(truth[0, :1]))))[0]
        np.testing.assert_allclose(run[0, 2], second, rtol=1e-3, atol=1e-4 * np.abs(second).max())
    page = (tmp_path / "run" / "report.html").read_text()
    assert not outside_references(page) and "Spectra" in page
    capsys.readouterr()
    assert run_experiment(NAME, settings, tmp_path / "run", resume=True) == metrics
    assert capsys.readouterr().out.count("skipped") == (5 if unrolls else 4)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"training.unrolled_steps": 21}, "unrolled_steps = 21 is more than the 20 steps of a"),
        ({"training.batch_size": 481}, "batch_size = 481 is more than the 480 windows of 24"),
        ({"training.unrolled_batch_size": 121}, "more than the 120 windows"),
        ({"rollouts.coarse_step_factor": 3}, "save_every = 1 is not a multiple of the coarse"),
        ({"navier_stokes.every_point": 8}, "leaves 8 points an axis"),
        ({"fno.modes": 33}, "fno.modes = 33 is more than the 32 that 64 points have"),
        ({"compared": ["fno", "fno"]}, "names an operator twice"),
        ({"compared": ["unet"]}, "'mgno', 'fno'"),
        ({"rollouts.correlation_threshold": 1.5}, "correlation_threshold"),
        ({"equation": "burgers"}, "'navier-stokes', 'kuramoto-sivashinsky'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(overrides, message):
    with pytest.raises(ExperimentError, match=message) as caught:
        read_experiment(NAME, overrides)
    assert "\n" not in str(caught.value)


@pytest.fixture
def settings():
    return read_experiment(NAME, {**TINY, "equation": "kuramoto-sivashinsky"})


def waves(settings, speed, factor=1.0):
    """Waves that travel, two samples over three times the run, `(sample, time, x)`."""
    x = np.arange(settings.points) / settings.points
    time = np.arange(3 * settings.steps + 1)
    phase = 2 * np.pi * (x - speed * time[:, None])
    return np.stack([np.sin(phase), np.sin(3 * phase)]).astype(np.float32) * np.float32(factor)


def judged(settings, **runs):
    fields = {"truth": waves(settings, 0.0), **runs}
    times = np.arange(fields["truth"].shape[1], dtype=float)
    scores = emulator_scores(fields, times, settings)
    truth = scores["spectrum"].sel(run="truth", drop=True)
    return {
        name: summary(scores.sel(run=name).assign(true_spectrum=truth), settings) for name in runs
    }


def test_a_run_like_the_truth_has_no_error_and_one_of_another_size_that_of_its_size(settings):
    same, larger = judged(
        settings, same=waves(settings, 0.0), larger=waves(settings, 0.0, 1.2)
    ).values()
    assert same["l2_first"] == same["l2_end"] == same["log_spectrum_error"] == 0
    assert same["correlation_time"] == settings.steps
    assert same["stable"] == same["stable_longer"] == 1
    assert larger["l2_end"] == pytest.approx(0.2, rel=1e-5)
    assert larger["correlation_time"] == settings.steps and larger["stable"] == 1
    doubled = judged(settings, run=waves(settings, 0.0, 2.0))["run"]
    assert doubled["stable"] == doubled["stable_longer"] == 0


def test_the_correlation_of_a_wave_that_runs_away_is_the_cosine_of_its_phase(settings):
    scores = judged(settings, run=waves(settings, 0.05))["run"]
    # By step 0.951, 0.809 and 0.588 of the first sample, and 0.588 of the second.
    assert scores["correlation_time"] == (3 + 1) / 2
    assert scores["l2_first"] == pytest.approx(
        np.mean([2 * np.sin(np.pi / 20), 2 * np.sin(3 * np.pi / 20)]), rel=1e-4
    )
    assert scores["log_spectrum_error"] < 1e-4


def test_samples_that_blow_up_count_as_unstable_and_not_as_errors(settings):
    run = waves(settings, 0.0, 1.1)
    run[1, 2:] = np.inf
    scores = judged(settings, run=run)["run"]
    assert scores["stable"] == scores["stable_longer"] == 0.5
    assert scores["l2_end"] == pytest.approx(0.1, rel=1e-4)
    assert scores["correlation_time"] == (settings.steps + 2) / 2
    late = waves(settings, 0.0)
    late[:, -1] = np.nan
    scores = judged(settings, run=late)["run"]
    assert (scores["stable"], scores["stable_longer"]) == (1, 0)
    gone = np.full_like(run, np.nan)
    assert "l2_end" not in judged(settings, run=gone)["run"]


def test_the_coarse_solver_is_exact_for_what_it_resolves(settings):
    """Small waves of one mode decay or grow alone, whatever the grid."""
    start = 1e-4 * waves(settings, 0.0)[:, 0]
    fields, seconds = coarse_solver(settings, start, 2)
    k = 2 * np.pi * np.array([1, 3]) / settings.chosen.length
    growth = np.exp((k**2 - k**4) * settings.chosen.save_every)
    expected = start[:, None] * growth[:, None, None] ** np.arange(3)[:, None]
    np.testing.assert_allclose(fields, expected, rtol=1e-3, atol=3e-8)
    assert seconds > 0

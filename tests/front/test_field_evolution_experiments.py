"""The experiments in which Gaussians evolve at their smallest, and their baselines."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax import run_experiment
from closurax.config import read_experiment
from closurax.experiments import field_evolution
from closurax.experiments.evolution_file import read_evolution, write_evolution
from closurax.experiments.field_evolution_baselines import (
    _along,
    _differences,
    evolve_differences,
)
from closurax.experiments.sine_features import SineFeatures
from closurax.physics.errors import BlowUpError, ExperimentError
from closurax.physics.problems import (
    AllenCahn,
    Burgers,
    FiniteVolumeDiffusion,
    FlowMixing,
    jet_at,
    nonlinear_diffusion,
)
from closurax.surrogates.fields import EvolvedField
from closurax.surrogates.training import Density

TINY = {
    "gaussians": 40,
    "trial_gaussians": 20,
    "saves": 11,
    "tolerance": 1e-4,
    "convergence": [20],
    "modes": [20],
    "nodes": [20],
}


@pytest.mark.slow
def test_gaussians_evolve_and_are_judged_and_reported(tmp_path, monkeypatch, outside_references):
    def differences(problem, count, *others):
        if count == 30:
            raise BlowUpError("Burgers does not reach the end.", partial=None)
        return evolve_differences(problem, count, *others)

    monkeypatch.setattr(field_evolution, "evolve_differences", differences)
    out = tmp_path / "run"
    settings = {**TINY, "nodes": [20, 30], "problem.viscosity": 0.1, "test_shape": [6, 21]}
    metrics = run_experiment("burgers-pig", settings, out)
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics["zero.relative_l2"] == 1
    assert metrics["gaussians.relative_l2"] < 1e-3
    assert metrics["gaussians.parameters"] == 40 * 3
    for other in ("gaussians_20", "modes_20", "nodes_20"):
        assert 0 < metrics[f"{other}.relative_l2"] < 0.2
    with xr.open_dataset(out / "solution.nc", engine="netcdf4") as solution:
        assert solution["u"].dims == ("t", "x") and solution["u"].shape == (6, 21)
        values = solution["u"].values
    problem = read_experiment("burgers-pig", settings).problem.made()
    with jax.enable_x64(True):
        field = read_evolution(out / "gaussians.nc", problem)
        again = field(jnp.asarray([1.0, 0.5]))[0]
    np.testing.assert_allclose(again, values[-1, 15], atol=1e-12)
    page = (out / "report.html").read_text()
    assert not outside_references(page) and "On the way" in page
    assert "30 nodes of finite differences do not reach the end" in page
    assert "nodes_30.relative_l2" not in metrics
    first, *_, last = sorted((out / "search").iterdir())
    with xr.open_dataset(first) as few, xr.open_dataset(last) as all_of_them:
        assert few.sizes["gaussian"] == 20 and all_of_them.sizes["gaussian"] == 40
        assert all_of_them.attrs["residual"] < few.attrs["residual"]
    assert run_experiment("burgers-pig", settings, out, resume=True) == metrics


@pytest.mark.slow
def test_a_problem_in_the_plane_runs_to_its_report(tmp_path, outside_references):
    settings = {
        **TINY, "problem.viscosity": 0.1, "convergence": [], "nodes": [100], "seeds": 1,
        "test_shape": [4, 6, 6],
    }  # fmt: skip
    metrics = run_experiment("plane-burgers-pig", settings, tmp_path / "run")
    assert metrics["gaussians.parameters"] == 40 * 6
    for each in ("gaussians", "modes_20", "nodes_100"):
        assert metrics[f"{each}.relative_l2"] < 1e-2
    with xr.open_dataset(tmp_path / "run" / "solution.nc", engine="netcdf4") as solution:
        assert solution["u_error"].dims == solution["v_error"].dims == ("t", "x", "y")
    assert not outside_references((tmp_path / "run" / "report.html").read_text())


@pytest.mark.slow
def test_a_problem_in_other_coordinates_is_judged_in_its_own(tmp_path, monkeypatch):
    coarse = functools.partial(FiniteVolumeDiffusion, cells=60, steps=100)
    monkeypatch.setattr(nonlinear_diffusion, "FiniteVolumeDiffusion", coarse)
    settings = {
        **TINY, "gaussians": 80, "trial_gaussians": 60, "convergence": [], "modes": [30],
        "nodes": [100], "seeds": 1, "test_shape": [4, 9, 9],
    }  # fmt: skip
    metrics = run_experiment("nonlinear-diffusion-pig", settings, tmp_path / "run")
    assert metrics["zero.relative_l2"] == 1 and metrics["gaussians.relative_l2"] < 0.1
    assert metrics["nodes_100.relative_l2"] < 0.2 and metrics["modes_30.relative_l2"] < 0.3
    with xr.open_dataset(tmp_path / "run" / "solution.nc", engine="netcdf4") as solution:
        assert solution["u"].dims == ("t", "x", "y")
        np.testing.assert_allclose(solution["x"], np.linspace(-1, 1, 9))
        np.testing.assert_allclose(solution["u"][:, 0], 0, atol=1e-12)
    with xr.open_dataset(tmp_path / "run" / "gaussians.nc", engine="netcdf4") as gaussians:
        assert gaussians["coordinate"].values.tolist() == ["xi_x", "xi_y"]


def test_sines_vanish_on_the_sides_and_have_their_derivatives(x64):
    features = SineFeatures(jnp.asarray([[1, 1], [2, 3]]), (-1.0, 0.0), (1.0, 2.0))
    point = jnp.asarray([0.3, 0.4])
    jet, expected = features.jet(point), jet_at(features, point)
    for one, other in zip(jax.tree.leaves(jet), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_allclose(features(jnp.asarray([1.0, 0.4])), 0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("burgers-pig", {"problem.viscosity": 0.0}, "'problem.viscosity' = 0.0 is not allowed"),
        ("burgers-pig", {"test_shape": [5, 5, 5]}, "must have 2 numbers"),
        ("allen-cahn-pig", {"seeds": 2}, "along a line there is no randomness"),
        ("allen-cahn-pig", {"convergence": [400]}, "a number twice, or that of gaussians"),
        ("flow-mixing-pig", {"test_shape": [200, 200, 200]}, "8000000 points"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(name, overrides, message):
    with pytest.raises(ExperimentError, match=message) as caught:
        read_experiment(name, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "problem", [AllenCahn(), FlowMixing(), Burgers()], ids=["periodic", "walls", "odd"]
)
def test_files_keep_gaussians_and_their_weights(tmp_path, x64, problem):
    walls = () if problem.periodic[-1] else tuple(range(problem.dims - 1))
    features = Density.uniform(problem).place(12, vanishing=walls, odd=problem.odd_at_walls)
    weights = jax.random.normal(jax.random.key(0), (3, 12, 1))
    field = EvolvedField(features, jnp.linspace(0.0, 1.0, 3), weights, -weights, problem.lift)
    write_evolution(tmp_path / "g.nc", problem, field, {"seed": 3})
    read = read_evolution(tmp_path / "g.nc", problem)
    assert jax.tree.structure(read) == jax.tree.structure(field)
    for one, other in zip(jax.tree.leaves(read), jax.tree.leaves(field), strict=True):
        np.testing.assert_array_equal(one, other)


def test_differences_are_of_fourth_order():
    for order, exact in ((1, np.cos), (2, lambda x: -np.sin(x))):
        errors = []
        for side in (20, 40):
            x = np.linspace(0, 2 * np.pi, side + 2)[1:-1]
            matrix = _differences(side, x[1] - x[0], order, periodic=False)
            errors.append(np.abs(matrix @ np.sin(x) - exact(x)).max())
            y = np.linspace(0, 2 * np.pi, side, endpoint=False)
            periodic = _differences(side, y[1] - y[0], order, periodic=True)
            assert np.abs(periodic @ np.sin(y) - exact(y)).max() < 2 * errors[-1] + 1e-3
        assert errors[0] / errors[1] > 10
    grid = np.random.default_rng(0).normal(size=(3, 3))
    matrix = np.diag([1.0, 2.0, 3.0])
    np.testing.assert_allclose(_along(matrix, 0, 2) @ grid.ravel(), (matrix @ grid).ravel())
    np.testing.assert_allclose(_along(matrix, 1, 2) @ grid.ravel(), (grid @ matrix).ravel())

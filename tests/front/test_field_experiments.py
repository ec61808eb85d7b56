"""The experiments on fields at their smallest, what they leave on disk, and their baseline."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax import run_experiment
from closurax.config import read_experiment
from closurax.experiments.field_baselines import fit_polynomials, lowest_degrees, zero_field
from closurax.experiments.field_judge import FieldJudge
from closurax.experiments.gaussian_file import read_gaussians, write_gaussians
from closurax.physics.errors import ClosuraxError, ExperimentError
from closurax.physics.problems import AllenCahn, ChebyshevCavity, Helmholtz, lid_driven_cavity
from closurax.surrogates.fields import GaussianFeatures, LinearField, PeriodicFeatures

NAME = "helmholtz-pig"
TINY = {
    "problem.waves_x": 1,
    "problem.waves_y": 1,
    "gaussians": 60,
    "seeds": 2,
    "test_points": 15,
    "convergence": [20],
    "polynomials": [100],
}


@pytest.mark.slow
def test_gaussians_are_fitted_judged_and_reported(tmp_path, outside_references, capsys):
    out = tmp_path / "run"
    metrics = run_experiment(NAME, TINY, out)
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics["zero.relative_l2"] == 1 and 0.9 < metrics["zero.max_error"] <= 1
    assert metrics["gaussians.relative_l2"] <= metrics["gaussians.relative_l2_worst"] < 0.02
    assert metrics["gaussians_20.relative_l2"] > 3 * metrics["gaussians.relative_l2"]
    assert metrics["polynomials_100.relative_l2"] < 1e-3
    assert metrics["gaussians.parameters"] == 60 * 5
    assert metrics["polynomials_100.parameters"] == 100
    assert metrics["gaussians.residual"] < 0.05 * metrics["zero.residual"]
    assert metrics["gaussians.seconds"] > 0 and metrics["gaussians.cpu_seconds"] > 0

    with xr.open_dataset(out / "solution.nc", engine="netcdf4") as solution:
        assert solution["u"].dims == ("x", "y") and solution["u"].shape == (15, 15)
        assert all(variable.attrs["units"] == "1" for variable in solution.variables.values())
        x, y = solution["x"].values, solution["y"].values
        expected = np.outer(np.sin(np.pi * x), np.sin(np.pi * y))
        np.testing.assert_allclose(solution["u_reference"], expected, atol=1e-14)
        np.testing.assert_allclose(
            solution["u_error"], solution["u"] - solution["u_reference"], atol=1e-15
        )
        values = solution["u"].values
    with jax.enable_x64(True):
        points = jnp.stack(jnp.meshgrid(jnp.asarray(x), jnp.asarray(y), indexing="ij"), -1)
        field = read_gaussians(out / "gaussians.nc")
        again = jax.vmap(jax.vmap(field))(points)[..., 0]
    np.testing.assert_allclose(again, values, rtol=0, atol=1e-10)
    with xr.open_dataset(out / "gaussians-1.nc", engine="netcdf4") as gaussians:
        assert gaussians["centre"].dims == gaussians["width"].dims == ("gaussian", "coordinate")
        assert gaussians["weight"].dims == ("gaussian", "field")
        assert gaussians.attrs["seed"] == 1
        assert json.loads(gaussians.attrs["configuration"])["gaussians"] == 60

    page = (out / "report.html").read_text()
    assert not outside_references(page) and "arXiv 2412.05994" in page and "On the way" in page
    residuals = []
    for path in sorted((out / "search").iterdir()):
        with xr.open_dataset(path) as step:
            residuals.append((step.sizes["gaussian"], step.attrs["residual"]))
    assert residuals[0][0] <= 60 == residuals[-1][0] and residuals[-1][1] < residuals[0][1]
    capsys.readouterr()
    assert run_experiment(NAME, TINY, out, resume=True) == metrics
    assert capsys.readouterr().out.count("skipped") == 6
    run_experiment(NAME, {**TINY, "test_points": 9}, out, resume=True)
    assert capsys.readouterr().out.count("skipped") == 2


@pytest.mark.slow
def test_a_problem_in_three_dimensions_runs_to_its_report(tmp_path, outside_references):
    settings = {
        "gaussians": 30,
        "seeds": 1,
        "test_points": 5,
        "convergence": [],
        "polynomials": [30],
    }
    metrics = run_experiment("klein-gordon-pig", settings, tmp_path / "run")
    assert metrics["gaussians.parameters"] == 30 * 7
    assert metrics["polynomials_30.parameters"] == 30 and metrics["zero.relative_l2"] == 1
    with xr.open_dataset(tmp_path / "run" / "solution.nc", engine="netcdf4") as solution:
        assert solution["u_error"].dims == ("t", "x", "y")
    page = (tmp_path / "run" / "report.html").read_text()
    assert not outside_references(page) and "projected on t and x" in page


@pytest.mark.slow
def test_a_stream_function_is_judged_by_its_velocity(tmp_path, monkeypatch, outside_references):
    coarse = functools.partial(ChebyshevCavity, degree=20)
    monkeypatch.setattr(lid_driven_cavity, "ChebyshevCavity", coarse)
    settings = {
        "problem.viscosity": 0.02,
        "gaussians": 60,
        "seeds": 1,
        "test_points": 11,
        "convergence": [],
        "polynomials": [100],
    }
    metrics = run_experiment("cavity-pig", settings, tmp_path / "run")
    assert metrics["zero.relative_l2"] == 1 and metrics["gaussians.relative_l2"] < 0.02
    assert metrics["polynomials_100.relative_l2"] < 0.02
    assert metrics["gaussians.parameters"] == 60 * 5
    with xr.open_dataset(tmp_path / "run" / "solution.nc", engine="netcdf4") as solution:
        assert {"u", "v", "u_error", "v_error"} <= set(solution)
        np.testing.assert_allclose(solution["u"][:, -1], np.sin(np.pi * solution["x"]), atol=1e-9)
    with xr.open_dataset(tmp_path / "run" / "gaussians.nc", engine="netcdf4") as gaussians:
        assert gaussians["field"].values.tolist() == ["psi"]
        assert gaussians["vanishes"].values.tolist() == [2, 2]
    assert not outside_references((tmp_path / "run" / "report.html").read_text())


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (NAME, {"problem.waves_x": 0}, "'problem.waves_x' = 0 is not allowed"),
        (NAME, {"problem.waves_x": 1.5}, "problem.waves_x"),
        (NAME, {"problem.wavs_x": 2}, "did you mean 'problem.waves_x'"),
        (NAME, {"problem.name": "klein-gordon"}, "allowed: 'helmholtz'"),
        ("klein-gordon-pig", {"problem.waves_x": 2}, "unknown key 'problem.waves_x'"),
        (NAME, {"gaussians": 5}, "'gaussians' = 5 is not allowed"),
        (NAME, {"convergence": [100, 800]}, "convergence = .* or that of gaussians"),
        (NAME, {"polynomials": [100, 100]}, "polynomials = .* has a number twice"),
        (NAME, {"polynomials": []}, "polynomials"),
        ("klein-gordon-pig", {"test_points": 200}, "3 axes makes 8000000 points"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(name, overrides, message):
    with pytest.raises(ExperimentError, match=message) as caught:
        read_experiment(name, overrides)
    assert "\n" not in str(caught.value)


def test_published_errors_do_not_depend_on_the_order_of_the_axes():
    waves = ((4, 1), (1, 4), (10, 10), (3, 1))
    found = [
        read_experiment(NAME, {"problem.waves_x": x, "problem.waves_y": y}).problem.published
        for x, y in waves
    ]
    assert found == [2.22e-5, 2.22e-5, 7.09e-3, None]


def test_the_lowest_degrees_fill_a_box():
    assert sorted(map(tuple, lowest_degrees(12, np.sqrt([4 / 3, 3 / 4])))) == [
        (i, j) for i in range(4) for j in range(3)
    ]
    for count in (10, 37, 100):
        degrees = lowest_degrees(count, np.array([2.0, 0.5, 1.0]))
        assert degrees.shape == (count, 3) and len(set(map(tuple, degrees))) == count
        # With a product of polynomials all those of lower degrees are there.
        present = set(map(tuple, degrees))
        for degree in present:
            for axis in range(3):
                lower = list(degree)
                lower[axis] = max(lower[axis] - 1, 0)
                assert tuple(lower) in present


def test_polynomials_go_where_the_solution_oscillates(x64):
    problem = Helmholtz(4, 1)
    field = fit_polynomials(problem, 200, seed=0)
    along_x, along_y = np.asarray(field.features.degrees).max(axis=0)
    assert along_x > 1.5 * along_y
    scores = FieldJudge(problem, 21, seed=0).scores(field)
    assert scores["relative_l2"] < 0.05 and scores["parameters"] == 200


def test_polynomials_are_not_for_periodic_problems(x64):
    with pytest.raises(ClosuraxError, match="AllenCahn has a periodic axis"):
        fit_polynomials(AllenCahn(), 20, seed=0)


def test_the_judge_measures_what_it_says(x64):
    problem = Helmholtz(1, 1)
    judge = FieldJudge(problem, 9, seed=0)
    half = zero_field(problem)
    half = LinearField(half.features, jnp.full((1, 1), 0.5))
    scores = judge.scores(half)
    x = np.linspace(-1, 1, 9)
    truth = np.outer(np.sin(np.pi * x), np.sin(np.pi * x))
    expected = np.linalg.norm(0.5 - truth) / np.linalg.norm(truth)
    assert scores["relative_l2"] == pytest.approx(expected, rel=1e-12)
    assert scores["max_error"] == pytest.approx(1.5, rel=1e-12)


def test_files_of_gaussians_keep_them_and_their_periods(tmp_path, x64):
    generator = np.random.default_rng(0)
    gaussians = GaussianFeatures(
        jnp.asarray(generator.uniform(-1, 1, (5, 2))),
        jnp.asarray(generator.uniform(0.1, 1, (5, 2))),
    )
    features = PeriodicFeatures(gaussians, (None, 2.0))
    field = LinearField(features, jnp.asarray(generator.normal(size=(5, 1))))
    write_gaussians(tmp_path / "g.nc", AllenCahn(), field, {"seed": 3})
    read = read_gaussians(tmp_path / "g.nc")
    assert jax.tree.structure(read) == jax.tree.structure(field)
    for one, other in zip(jax.tree.leaves(read), jax.tree.leaves(field), strict=True):
        np.testing.assert_array_equal(one, other)
    with xr.open_dataset(tmp_path / "g.nc", engine="netcdf4") as dataset:
        assert dataset["coordinate_units"].values.tolist() == ["1", "1"]

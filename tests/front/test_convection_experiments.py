"""The experiments on convection at their smallest, and what they leave on disk."""

import json

import numpy as np
import pytest
import xarray as xr

from closurax import datasets, run_experiment, surrogates
from closurax.config import read_experiment
from closurax.physics.errors import DataError, ExperimentError, SurrogateFileError
from closurax.surrogates.columns import ConvectionNetwork

COLUMNS = {
    "compared": ["dense"],
    "baselines": ["linear"],
    "data.training_columns": 1000,
    "data.test_columns": 300,
    "networks.dense.width": 16,
    "networks.dense.depth": 1,
    "networks.dense.epochs": 2,
    "networks.dense.batch_size": 64,
}
COLUMN = {
    "case.days": 0.125,
    "case.save_every": 1200.0,
    "data.training_columns": 1000,
    "data.test_columns": 300,
    "guard.envelope_columns": 500,
    "ensemble.members": 2,
    "ensemble.guarded": False,
    "free_run.days": 0.125,
    "tuning.epochs": 1,
    "tuning.window_hours": 1 / 3,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    return folder, run_experiment("convection-columns", COLUMNS, folder / "run")


@pytest.mark.slow
def test_columns_are_learned_and_reported(trained, outside_references):
    folder, metrics = trained
    written = json.loads((folder / "run" / "metrics.json").read_text())
    assert written == metrics
    for scheme in ("dense", "linear", "kain_fritsch"):
        assert np.isfinite(metrics[f"{scheme}.r2_potential_temperature_tendency"])
        assert f"{scheme}.left_out.r2_precipitation" in metrics
    # The labels are those of the scheme itself.
    assert metrics["kain_fritsch.trigger_accuracy"] == 1
    assert metrics["kain_fritsch.r2_vapour_tendency"] > 0.9999
    assert metrics["dense.water_residual"] < 1e-5
    network = surrogates.load(folder / "run" / "schemes" / "dense.eqx")
    assert isinstance(network, ConvectionNetwork)
    page = (folder / "run" / "report.html").read_text()
    assert not outside_references(page) and "Skill by level" in page


@pytest.mark.slow
def test_a_finished_run_is_not_done_again(trained, capsys):
    folder, metrics = trained
    again = run_experiment("convection-columns", COLUMNS, folder / "run", resume=True)
    assert again == metrics
    assert capsys.readouterr().out.count("done before, skipped") == 5


@pytest.mark.slow
def test_a_network_runs_in_the_column(trained, tmp_path, outside_references):
    file = trained[0] / "run" / "schemes" / "dense.eqx"
    settings = COLUMN | {"surrogate.files.mine": str(file)}
    metrics = run_experiment("convection", settings, tmp_path / "run")
    assert metrics["kain_fritsch.temperature_rmse"] == 0
    for name in ("none", "mine", "mine_guarded", "held_out.tuned", "free.mine"):
        assert f"{name}.rain" in metrics
    assert metrics["ensemble.mine.unstable"] == 0
    with xr.open_dataset(tmp_path / "run" / "runs" / "mine.nc", decode_times=False) as run:
        assert run["air_temperature"].attrs["standard_name"] == "air_temperature"
        assert run.sizes["time"] == 10 and "configuration" in run.attrs
    assert not outside_references((tmp_path / "run" / "report.html").read_text())


@pytest.mark.slow
def test_a_network_for_other_levels_is_refused(trained, tmp_path):
    case = datasets.bomex()
    path = tmp_path / "bomex.nc"
    columns = trained[0] / "run" / "schemes" / "dense.eqx"
    network = surrogates.load(columns)
    assert network.features.levels != case.sizes["level"]
    from closurax.experiments.convection import _check

    with pytest.raises(ExperimentError, match="40 levels, but the case has 75"):
        _check("mine", network, case)
    with pytest.raises(DataError, match="no file"):
        run_experiment("convection", COLUMN | {"case.file": str(path)}, tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"case.save_every": 1000.0}, "not a multiple of time_step"),
        ({"ensemble.members": 1}, "ensemble.members"),
        ({"data.test_fraction": 0.95}, "leave nothing for training"),
        ({"network.depth": 0}, "network.depth"),
    ],
)
def test_impossible_settings_of_the_column_are_named(settings, message):
    with pytest.raises(ExperimentError, match=message):
        read_experiment("convection", settings)


def test_a_compared_network_needs_a_table():
    with pytest.raises(ExperimentError, match="bilstm"):
        read_experiment("convection-columns", {"compared": ["bilstm", "transformer"]})


def test_a_missing_surrogate_stops_before_any_run(tmp_path):
    settings = COLUMN | {"surrogate.files.mine": str(tmp_path / "none.eqx")}
    with pytest.raises(SurrogateFileError, match="no file"):
        run_experiment("convection", settings, tmp_path / "run")

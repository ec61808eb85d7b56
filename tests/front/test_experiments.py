"""Whole experiments on tiny grids: interrupted, resumed, and what they leave on disk."""

import json
import shlex
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax import run_experiment, surrogates
from closurax.cli import main
from closurax.datasets import open_pairs, write_dns
from closurax.physics.errors import ExperimentError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import random_vorticity
from closurax.workspace import Workspace

SETTINGS = """
experiment = "subgrid-turbulence"

[data]
dns = "dns.nc"

[model]
grid_points = 16
time_step = 0.05

[surrogate]
width = 2
depth = 2
kernel_size = 3

[training]
epochs = 2
batch_size = 4

[comparison]
closures = ["leith"]
members = 2
spin_up = 0.5
duration = 1.0
save_every = 0.25
judged_wavenumbers = [1, 5]
resamples = 50
"""
STAGES = [
    "data", "training", "scores", "run-none", "run-leith", "run-linear", "run-learned", "report",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with settings in `tiny.toml` and random fields for a DNS."""
    grid = SpectralGrid(32)
    fields = [random_vorticity(grid, jax.random.key(i), peak_wavenumber=2.0) for i in range(24)]
    dns = xr.Dataset(
        {"vorticity": (("time", "x", "y"), np.asarray(jnp.stack(fields)), {"units": "s-1"})},
        {
            "time": ("time", np.arange(24.0), {"units": "s"}),
            "x": ("x", grid.x, {"units": "m"}),
            "y": ("y", grid.y, {"units": "m"}),
        },
    )
    write_dns(dns, tmp_path / "dns.nc")
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_interrupted_run_goes_on_where_it_stopped(folder, monkeypatch, capsys, outside_references):
    stage = Workspace.stage

    def interrupted(self, name, title, inputs, work):
        def stop():
            raise KeyboardInterrupt

        return stage(self, name, title, inputs, stop if name == "run-leith" else work)

    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "stage", interrupted)
        assert main(["run", "tiny.toml", "--set", "seed=3"]) == 130
    message = capsys.readouterr().err.splitlines()[-1]
    command = "closurax run tiny.toml --set seed=3 --out runs/tiny --resume"
    assert message.endswith(command)
    out = folder / "runs" / "tiny"
    records = {path.stem: path.read_bytes() for path in (out / "stages").iterdir()}
    assert list(records) != []
    assert set(records) == set(STAGES[: STAGES.index("run-leith")])
    closure = (out / "closure.eqx").read_bytes()

    assert main(shlex.split(command)[1:]) == 0
    shown = capsys.readouterr().out
    assert shown.count("skipped") == len(records)
    assert shown.splitlines()[-1] == "Report: runs/tiny/report.html"
    assert (out / "closure.eqx").read_bytes() == closure
    for name, record in records.items():
        assert (out / "stages" / f"{name}.json").read_bytes() == record

    _check_outputs(out)
    assert outside_references((out / "report.html").read_text(encoding="utf-8")) == []
    _check_that_only_what_changed_is_done_again(out, capsys)


@pytest.mark.slow
def test_a_time_step_that_blows_up_everywhere_ends_in_one_line_and_keeps_the_runs(folder, capsys):
    command = "run tiny.toml --set model.time_step=0.25 --out out"
    explosive = ["--set", 'data.dns="loud.nc"', "--set", "training.epochs=1"]
    with xr.open_dataset(folder / "dns.nc") as dns:
        write_dns((dns[["vorticity"]] * 1e3).assign_attrs(dns.attrs), folder / "loud.nc")
    assert main([*command.split(), *explosive]) == 1
    assert "take a smaller step" in capsys.readouterr().err.splitlines()[-1]
    assert (folder / "out" / "closure.eqx").is_file()
    with xr.open_dataset(folder / "out" / "runs" / "none.nc", decode_times=False) as run:
        assert np.isfinite(run["blow_up_time"]).all()


def _check_outputs(out):
    metrics = json.loads((out / "metrics.json").read_text())
    assert all(isinstance(value, int | float) for value in metrics.values())
    for closure in ("none", "leith", "learned"):
        assert metrics[f"{closure}.members"] == 2
        assert metrics[f"{closure}.blow_ups"] == 0
        assert metrics[f"{closure}.enstrophy_spectrum_error"] > 0
        assert metrics[f"{closure}.seconds_per_time_unit"] > 0
        low, high = (metrics[f"{closure}.mean_energy_{end}"] for end in ("low", "high"))
        assert low <= metrics[f"{closure}.mean_energy"] <= high
        with xr.open_dataset(out / "runs" / f"{closure}.nc", decode_times=False) as run:
            assert run["vorticity"].dims == ("member", "time", "x", "y")
            assert run["vorticity"].shape == (2, 7, 16, 16)
            assert run["vorticity"].encoding["dtype"] == np.int16
            assert run["vorticity"].attrs["units"] == "s-1"
            assert run.attrs["closure"] == closure
            assert json.loads(run.attrs["configuration"])["seed"] == 3
            energies = run["vorticity"].astype(float).std(("x", "y")).values
        with xr.open_dataset(out / "comparison.nc") as comparison:
            enstrophy = comparison["enstrophy"].sel(closure=closure).values
            np.testing.assert_allclose(enstrophy, energies**2 / 2, rtol=1e-3)
    assert metrics["leith.mean_enstrophy"] < metrics["none.mean_enstrophy"]
    assert -1 <= metrics["learned.a_priori_correlation"] <= 1
    assert metrics["reference.vorticity_std"] > 0
    assert tomllib.loads((out / "config.toml").read_text())["seed"] == 3
    assert surrogates.read_header(out / "closure.eqx")["provenance"]["seed"] == 3
    figures = {path.name for path in (out / "figures").iterdir()}
    assert figures == {
        f"{name}.png" for name in ("snapshots", "spectra", "tails", "time_series", "training")
    }
    assert not list(out.rglob("*.partial"))


def _check_that_only_what_changed_is_done_again(out, capsys):
    before = json.loads((out / "metrics.json").read_text())
    overrides = {"seed": 3, "comparison.judged_wavenumbers": [2, 4]}
    after = run_experiment("tiny.toml", overrides, resume=True)
    assert capsys.readouterr().out.count("skipped") == len(STAGES) - 1
    changed = {name for name in before if after[name] != before[name]}
    assert changed
    assert all("spectrum" in name for name in changed)


def test_finished_run_is_not_overwritten(folder):
    (folder / "out").mkdir()
    (folder / "out" / "config.toml").write_text("precious")
    with pytest.raises(ExperimentError, match="holds a run already"):
        run_experiment("tiny.toml", out="out")
    assert (folder / "out" / "config.toml").read_text() == "precious"


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"data.dns": ""}, "model.grid_points = 16, but the reference that ships"),
        ({"model.grid_points": 64, "data.dns": "dns.nc"}, "finer than the DNS|32"),
        ({"data.pairs": "dns.nc"}, "subgrid_tendency"),
    ],
)
def test_data_that_do_not_fit_are_one_clear_line(folder, capsys, overrides, message):
    arguments = [part for k, v in overrides.items() for part in ("--set", f"{k}={v}")]
    assert main(["run", "tiny.toml", *arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("closurax: error: ")
    assert any(part in error for part in message.split("|"))


def test_dns_and_pairs_are_made_and_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    overrides = {
        "simulation.grid_points": 32,
        "simulation.spin_up": [0.5],
        "simulation.duration": 1.0,
        "pairs.grid_points": 16,
        "pairs.filter": "gaussian",
    }
    metrics = run_experiment("turbulence-dns", overrides, out="out")
    assert metrics["snapshots"] == metrics["pairs"] == 3
    pairs = open_pairs("out/pairs.nc")
    assert pairs["vorticity"].shape == (3, 16, 16)
    assert metrics["subgrid_tendency_std"] == pytest.approx(
        float(pairs["subgrid_tendency"].std()), rel=1e-3
    )
    run_experiment("turbulence-dns", overrides | {"pairs.filter": "sharp"}, "out", resume=True)
    assert capsys.readouterr().out.count("skipped") == 1
    assert open_pairs("out/pairs.nc").attrs.get("filter") in ("sharp", None)

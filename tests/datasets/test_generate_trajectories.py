import importlib
import os

import jax
import netCDF4
import numpy as np
import pytest
import xarray as xr

from closurax.datasets import generate_trajectories, open_trajectories
from closurax.physics.errors import BlowUpError, DataError
from closurax.physics.pdes import (
    Burgers,
    KuramotoSivashinsky,
    PeriodicRandomField,
    RandomInitialState,
    navier_stokes,
)
from closurax.physics.spectral import PeriodicInterval

MODEL = Burgers(PeriodicInterval(32, 1.0), 0.02)
INITIAL = RandomInitialState(PeriodicRandomField(2.0, 5.0, 25.0))
SETTINGS = dict(samples=5, chunk=2, duration=0.2, save_every=0.1, dt=0.01, seed=3, progress=False)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("trajectories") / "burgers.nc"
    generate_trajectories(path, MODEL, INITIAL, **SETTINGS)
    assert os.listdir(path.parent) == ["burgers.nc"]
    return path


def test_the_file_has_the_layout_of_trajectories(uninterrupted):
    with open_trajectories(uninterrupted) as data:
        assert data["velocity"].dims == ("sample", "time", "x")
        assert data["velocity"].shape == (5, 3, 32) and data["velocity"].dtype == np.float32
        assert data["velocity"].attrs == {"units": "m s-1", "long_name": "velocity"}
        np.testing.assert_allclose(data["time"], [0.0, 0.1, 0.2])
        np.testing.assert_allclose(data["x"], MODEL.grid.x)
        np.testing.assert_array_equal(data["sample"], np.arange(5))
        assert [data.attrs[name] for name in ("seed", "samples", "time_step")] == [3, 5, 0.01]
        assert "viscosity=0.02" in data.attrs["model"] and "alpha=2" in data.attrs["initial_state"]
    with netCDF4.Dataset(uninterrupted) as file:
        assert file.dimensions["sample"].isunlimited()
        assert file["velocity"].chunking() == [1, 3, 32]


@pytest.mark.parametrize("sample", [0, 4])
def test_samples_are_runs_from_their_own_keys(uninterrupted, sample):
    state = INITIAL(MODEL, jax.random.fold_in(jax.random.key(3), sample))
    run = MODEL.run(state, 0.2, save_every=0.1, dt=0.01, progress=False)
    with open_trajectories(uninterrupted) as data:
        np.testing.assert_allclose(data["velocity"][sample], run["velocity"], atol=1e-6)


@pytest.mark.parametrize("kill", ["between chunks", "in a chunk's file", "when joining"])
def test_a_killed_generation_goes_on_to_the_same_values(uninterrupted, tmp_path, monkeypatch, kill):
    path = tmp_path / "killed.nc"
    written = []

    def write(dataset, file, encoding):
        if len(written) == 2 and kill == "in a chunk's file":
            file.with_name(file.name + ".partial").write_bytes(b"half of it")
        if len(written) == 2 and kill != "when joining":
            raise KeyboardInterrupt
        written.append(file.name)
        write_netcdf(dataset, file, encoding)

    def join(*args):
        raise KeyboardInterrupt

    # The function of the same name hides the module.
    module = importlib.import_module("closurax.datasets.generate_trajectories")
    write_netcdf = module.write_netcdf
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "write_netcdf", write)
        if kill == "when joining":
            patch.setattr(module, "_join", join)
        generate_trajectories(path, MODEL, INITIAL, **SETTINGS)
    assert not path.exists() and len(list(tmp_path.glob("killed.nc.chunks/*.nc"))) == len(written)
    with pytest.raises(DataError, match="exists; resume it"):
        generate_trajectories(path, MODEL, INITIAL, **SETTINGS)
    with pytest.raises(DataError, match="made with seed = 3, not 4"):
        generate_trajectories(path, MODEL, INITIAL, resume=True, **{**SETTINGS, "seed": 4})

    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("killed.nc.chunks/*.nc")}
    again = []

    def watched(dataset, file, encoding):
        again.append(file)
        write_netcdf(dataset, file, encoding)

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_netcdf", watched)
        generate_trajectories(path, MODEL, INITIAL, resume=True, **SETTINGS)
    assert not set(again) & set(kept) and len(again) + len(kept) == 3
    with open_trajectories(path) as resumed, open_trajectories(uninterrupted) as whole:
        assert resumed.identical(whole)
    assert os.listdir(tmp_path) == ["killed.nc"]


def test_a_finished_file_is_neither_made_again_nor_mixed(uninterrupted):
    before = uninterrupted.stat().st_mtime_ns
    with pytest.raises(DataError, match="exists; resume it"):
        generate_trajectories(uninterrupted, MODEL, INITIAL, **SETTINGS)
    # A kill between the last two things that it does leaves the chunks.
    leftover = uninterrupted.with_name("burgers.nc.chunks")
    leftover.mkdir()
    generate_trajectories(uninterrupted, MODEL, INITIAL, resume=True, **SETTINGS)
    assert uninterrupted.stat().st_mtime_ns == before and not leftover.exists()
    other = Burgers(MODEL.grid, 0.03)
    with pytest.raises(DataError, match="made with model = .*viscosity=0.02"):
        generate_trajectories(uninterrupted, other, INITIAL, resume=True, **SETTINGS)
    with pytest.raises(DataError, match="made with samples = 5, not 6"):
        generate_trajectories(
            uninterrupted, MODEL, INITIAL, resume=True, **{**SETTINGS, "samples": 6}
        )


def test_spin_up_is_dropped_and_points_are_left_out(tmp_path):
    model = navier_stokes(16, 1e-2)
    initial = RandomInitialState()
    generate_trajectories(
        tmp_path / "ns.nc", model, initial, samples=2, spin_up=0.2, duration=0.2,
        save_every=0.2, dt=0.1, every_point=4, progress=False,
    )  # fmt: skip
    state = initial(model, jax.random.fold_in(jax.random.key(0), 1))
    run = model.run(state, 0.4, save_every=0.2, dt=0.1, progress=False)
    with open_trajectories(tmp_path / "ns.nc") as data:
        assert data["vorticity"].shape == (2, 2, 4, 4)
        expected = run["vorticity"][1:, ::4, ::4]
        np.testing.assert_allclose(data["vorticity"][1], expected, atol=1e-5)
        np.testing.assert_allclose(data["y"], [0.0, 0.25, 0.5, 0.75])
        assert "standard_name" in data["vorticity"].attrs


def test_a_blow_up_names_the_sample_and_keeps_the_chunks_before(tmp_path):
    unstable = KuramotoSivashinsky(PeriodicInterval(32, 30.0), hyperviscosity=-1.0)
    with pytest.raises(BlowUpError, match=r"Sample 0 became non-finite in 'velocity'") as raised:
        generate_trajectories(
            tmp_path / "ks.nc", unstable, INITIAL, **{**SETTINGS, "duration": 9.0}
        )
    partial = raised.value.partial
    assert partial.sizes["time"] >= 1 and np.isfinite(partial["velocity"]).all()


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(samples=0), "`samples` must be at least 1"),
        (dict(duration=0.25), "`duration` = 0.25 s is not a positive multiple"),
        (dict(dt=0.03), "`save_every` = 0.1 s is not a positive multiple of `dt`"),
        (dict(dt=0.0), "`save_every` = 0.1 s is not a positive multiple of `dt`"),
        (dict(spin_up=0.005), "`spin_up` = 0.005 s is not a positive multiple of `dt`"),
        (dict(every_point=5), "`every_point` = 5 does not divide the 32 points along 'x'"),
    ],
)
def test_impossible_settings_are_refused_before_any_work(tmp_path, wrong, message):
    with pytest.raises(DataError, match=message):
        generate_trajectories(tmp_path / "a.nc", MODEL, INITIAL, **{**SETTINGS, **wrong})
    assert not os.listdir(tmp_path)


def test_files_that_hold_no_trajectories_are_refused(tmp_path):
    with pytest.raises(DataError, match="no file"):
        open_trajectories(tmp_path / "missing.nc")
    xr.Dataset({"u": (("time", "sample"), np.zeros((2, 3)))}).to_netcdf(tmp_path / "turned.nc")
    with pytest.raises(DataError, match=r"no variable with the leading dims \('sample', 'time'\)"):
        open_trajectories(tmp_path / "turned.nc")

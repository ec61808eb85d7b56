"""Data sets of Darcy flow and of the Helmholtz equation, made, killed and resumed."""

import functools
import importlib
import os

import jax
import numpy as np
import pytest
import xarray as xr

from closurax.datasets import generate_darcy, generate_helmholtz, open_fields
from closurax.datasets.sample_file import SampleLayout, write_samples
from closurax.physics.errors import DataError
from closurax.physics.pdes import (
    CosineModes,
    Darcy,
    GaussianRandomField,
    Helmholtz,
    TrigonometricCoefficient,
    TwoValuedCoefficient,
    WaveSpeed,
    window_flux,
)

SMOOTH = TwoValuedCoefficient(GaussianRandomField(modes=CosineModes(16)))
DARCY = functools.partial(
    generate_darcy, samples=36, seed=3, coefficient=SMOOTH, shape=(6, 5), refinement=3,
    progress=False,
)  # fmt: skip
HELMHOLTZ = functools.partial(
    generate_helmholtz, samples=36, seed=3, frequency=100.0, shape=(9, 6), refinement=2,
    progress=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def darcy(tmp_path_factory):
    path = tmp_path_factory.mktemp("darcy") / "darcy.nc"
    DARCY(path)
    return path


@pytest.fixture(scope="module")
def helmholtz(tmp_path_factory):
    path = tmp_path_factory.mktemp("helmholtz") / "helmholtz.nc"
    HELMHOLTZ(path)
    return path


def test_darcy_samples_are_those_of_the_model(darcy):
    fine = Darcy(18, 15)
    with open_fields(darcy, ["a"], ["u"]) as data:
        assert data.sizes == {"sample": 36, "x": 6, "y": 5}
        np.testing.assert_allclose(data["x"], (np.arange(6) + 0.5) / 6)
        np.testing.assert_allclose(data["y"], (np.arange(5) + 0.5) / 5)
        for index in (0, 35):
            key = jax.random.fold_in(jax.random.key(3), index)
            a = SMOOTH(fine.x, fine.y, key=key)
            u = fine.solve_sparse(a)
            np.testing.assert_array_equal(data["a"][index], a[1::3, 1::3])
            np.testing.assert_allclose(data["u"][index], u[1::3, 1::3], rtol=1e-6)


def test_helmholtz_samples_are_those_of_the_model(helmholtz):
    fine = Helmholtz(17, 11, 100.0)
    with open_fields(helmholtz, ["c"], ["u"]) as data:
        assert data.sizes == {"sample": 36, "x": 9, "y": 6}
        np.testing.assert_allclose(data["x"], np.arange(9) / 8)
        for index in (0, 35):
            key = jax.random.fold_in(jax.random.key(3), index)
            c = WaveSpeed()(fine.x, fine.y, key=key)
            u = fine.solve_sparse(c, q=window_flux(17))
            np.testing.assert_allclose(data["c"][index], c[::2, ::2], rtol=1e-6)
            np.testing.assert_allclose(data["u"][index], u[::2, ::2], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["darcy", "helmholtz"])
def test_the_files_have_one_layout(request, name):
    with xr.open_dataset(request.getfixturevalue(name)) as data:
        assert data.attrs["seed"] == 3 and data.attrs["samples"] == 36
        assert data.attrs["Conventions"] == "CF-1.11"
        for key in ("title", "equation", "boundary", "grid_convention", "solver", "source"):
            assert data.attrs[key]
        assert data["sample"].dtype == np.int32
        for axis in ("x", "y"):
            assert data[axis].dtype == np.float64 and data[axis].attrs["axis"] == axis.upper()
        for field in data.data_vars.values():
            assert field.dims == ("sample", "x", "y") and field.dtype == np.float32
            assert field.encoding["chunksizes"][0] == 16 and field.encoding["zlib"]
        for variable in (*data.data_vars.values(), data["x"], data["y"]):
            assert variable.attrs["units"] == "1" and variable.attrs["long_name"]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", ["darcy", "helmholtz"])
def test_a_killed_and_resumed_file_is_the_uninterrupted_one(
    request, tmp_path, monkeypatch, name, workers
):
    whole = request.getfixturevalue(name)
    generate = DARCY if name == "darcy" else HELMHOLTZ
    path = tmp_path / whole.name
    module = importlib.import_module(f"closurax.datasets.generate_{name}")
    compute = "_solved" if name == "darcy" else "_wave_speed"
    original = getattr(module, compute)
    computed: list[int] = []

    def index(args):
        return next(int(value) for value in args if isinstance(value, jax.Array))

    def recorded(*args):
        computed.append(index(args))
        return original(*args)

    def interrupted(*args):
        result = recorded(*args)
        # Not the last one computed: that may be of another thread.
        if index(args) == 33:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, compute, interrupted)
        generate(path, workers=workers)
    assert not path.exists()
    kept = sorted(os.listdir(tmp_path / f"{path.name}.chunks"))
    assert "settings.json" in kept and not any("partial" in file for file in kept)
    if workers == 1:
        assert kept == ["00000000.npz", "00000016.npz", "settings.json"]
    done = {int(file[:8]) + i for file in kept if file.endswith(".npz") for i in range(16)}

    with pytest.raises(DataError, match="chunks' exists; resume it"):
        generate(path)
    computed.clear()
    with monkeypatch.context() as patch:
        patch.setattr(module, compute, recorded)
        generate(path, workers=workers, resume=True)
    assert set(computed) == set(range(36)) - done
    assert path.read_bytes() == whole.read_bytes()
    assert os.listdir(tmp_path) == [path.name]


def test_a_finished_file_is_left_alone(darcy):
    before = darcy.read_bytes()
    DARCY(darcy, resume=True)
    assert darcy.read_bytes() == before
    with pytest.raises(DataError, match="exists; resume it, or choose another path"):
        DARCY(darcy)
    with pytest.raises(DataError, match="made with seed = 3, not 4"):
        DARCY(darcy, seed=4, resume=True)
    with pytest.raises(DataError, match="made with coefficient = 'TwoValued.*, not 'Trigono"):
        DARCY(darcy, coefficient=TrigonometricCoefficient(2), resume=True)
    assert darcy.read_bytes() == before


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(DataError, match="`refinement` is 2; give an odd number"):
        DARCY(tmp_path / "darcy.nc", refinement=2)
    with pytest.raises(DataError, match="`samples` must be at least 1, not 0"):
        DARCY(tmp_path / "darcy.nc", samples=0)
    with pytest.raises(DataError, match="`workers` must be at least 1, not 0"):
        HELMHOLTZ(tmp_path / "helmholtz.nc", workers=0)
    with pytest.raises(DataError, match="`refinement` is 0"):
        HELMHOLTZ(tmp_path / "helmholtz.nc", refinement=0)
    assert os.listdir(tmp_path) == []


def test_an_error_in_one_sample_ends_the_rest_and_keeps_what_is_done(tmp_path):
    axis = np.linspace(0, 1, 3)
    layout = SampleLayout(axis, axis, "node", {"u": "solution"}, {"seed": 0})
    computed = []

    def sample(index):
        computed.append(index)
        return {"u": np.full((3, 3), np.nan if index == 20 else float(index))}

    write = functools.partial(
        write_samples, tmp_path / "data.nc", layout, samples=64, workers=1, progress=False,
        description="test",
    )  # fmt: skip
    with pytest.raises(DataError, match="Sample 20 is NaN or infinite in 'u'"):
        write(sample, resume=False)
    assert computed == list(range(21))
    write(lambda index: {"u": np.full((3, 3), float(index))}, resume=True)
    with xr.open_dataset(tmp_path / "data.nc") as data:
        np.testing.assert_array_equal(data["u"][:, 0, 0], np.arange(64))


def test_coarse_solutions_approach_the_fine_ones(tmp_path):
    with open_fields(_made(tmp_path, 1), ["a"], ["u"]) as coarse:
        with open_fields(_made(tmp_path, 9), ["a"], ["u"]) as fine:
            np.testing.assert_array_equal(coarse["a"], fine["a"])
            difference = np.linalg.norm(coarse["u"] - fine["u"]) / np.linalg.norm(fine["u"])
    assert 1e-3 < difference < 0.1


def _made(folder, refinement):
    path = folder / f"{refinement}.nc"
    DARCY(path, samples=4, shape=(12, 12), refinement=refinement)
    return path

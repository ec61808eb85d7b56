import importlib.util

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

from closurax.datasets import open_fields
from closurax.physics.errors import DataError


def _values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _samples(count=5, nx=6, ny=4):
    axes = {"x": ("x", (np.arange(nx) + 0.5) / nx), "y": ("y", (np.arange(ny) + 0.5) / ny)}
    dims = ("sample", "x", "y")
    data = {"a": (dims, _values(count, nx, ny)), "u": (dims, _values(count, nx, ny, seed=1))}
    return xr.Dataset(data, axes, {"seed": 3})


def _netcdf(path, dataset):
    dataset.to_netcdf(path, engine="netcdf4")
    return path


def _pdebench(path, arrays, **coordinates):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        for axis, values in coordinates.items():
            file[f"{axis}-coordinate"] = values
        file.attrs["beta"] = 1.0
    return path


def _the_well(path, *, trajectories=3, times=4, nx=6, ny=5, time_per_sample=False):
    def put(group, name, values, sample=True, time=True, space=(True, True)):
        group[name] = values
        group[name].attrs["sample_varying"] = sample
        group[name].attrs["time_varying"] = time
        if space is not None:
            group[name].attrs["dim_varying"] = space

    lead = (trajectories, times, nx, ny)
    with h5py.File(path, "w") as file:
        file.attrs["n_trajectories"], file.attrs["n_spatial_dims"] = trajectories, 2
        file.attrs["grid_type"], file.attrs["simulation_parameters"] = "cartesian", ["Re"]
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        time = 0.5 * np.arange(times, dtype=np.float32)
        dimensions["time"] = np.tile(time, (trajectories, 1)) if time_per_sample else time
        dimensions["x"] = np.linspace(0, 1, nx, dtype=np.float32)
        dimensions["y"] = np.linspace(0, 2, ny, dtype=np.float32)
        scalars = file.create_group("t0_fields")
        scalars.attrs["field_names"] = ["density", "speed", "profile"]
        put(scalars, "density", _values(*lead))
        put(scalars, "speed", _values(nx, ny, seed=1), sample=False, time=False)
        put(scalars, "profile", _values(trajectories, nx), time=False, space=(True, False))
        vectors = file.create_group("t1_fields")
        vectors.attrs["field_names"] = ["velocity"]
        put(vectors, "velocity", _values(*lead, 2, seed=2))
        tensors = file.create_group("t2_fields")
        tensors.attrs["field_names"] = ["strain"]
        put(tensors, "strain", _values(*lead, 2, 2, seed=3))
        parameters = file.create_group("scalars")
        parameters.attrs["field_names"] = ["Re"]
        put(parameters, "Re", _values(1, seed=4), sample=False, time=False, space=None)
        boundaries = file.create_group("boundary_conditions")
        for axis, kind in (("x", "PERIODIC"), ("y", "WALL")):
            boundary = boundaries.create_group(f"{axis}_boundary")
            boundary.attrs["associated_dims"], boundary.attrs["bc_type"] = [axis], kind
            boundary["mask"] = np.zeros(nx, bool)
    return path


@settings(max_examples=8)
@given(
    count=st.integers(1, 20),
    shape=st.tuples(st.integers(2, 7), st.integers(2, 7)),
    dtype=st.sampled_from([np.float32, np.float64, np.int16]),
)
def test_what_is_written_is_read(tmp_path_factory, count, shape, dtype):
    dataset = (10 * _samples(count, *shape)).astype(dtype).assign_attrs(seed=3)
    path = _netcdf(tmp_path_factory.mktemp("data") / "samples.nc", dataset)
    with open_fields(path, ["a"], ["u"]) as opened:
        assert opened.equals(dataset)
        assert opened["a"].dtype == dtype and opened.attrs["seed"] == 3
        assert {variable.attrs["units"] for variable in opened.variables.values()} == {"1"}


def test_only_what_was_asked_for_comes_along(tmp_path):
    dataset = _samples().assign(other=("z", np.arange(3.0)))
    dataset["u"].attrs["units"] = "m"
    with open_fields(_netcdf(tmp_path / "samples.nc", dataset), ["u"], ["u"]) as opened:
        assert list(opened.data_vars) == ["u"] and set(opened.coords) == {"x", "y"}
        assert opened["u"].attrs["units"] == "m"


@pytest.mark.parametrize("with_dask", [True, False])
def test_values_stay_on_disk_until_used_and_the_file_is_closed(tmp_path, monkeypatch, with_dask):
    if not with_dask:
        find = importlib.util.find_spec
        hidden = lambda name: None if name == "dask" else find(name)  # noqa: E731
        monkeypatch.setattr("closurax.datasets.operator_data.importlib.util.find_spec", hidden)
    elif importlib.util.find_spec("dask") is None:
        pytest.skip("dask is not installed")
    monkeypatch.setattr("closurax.datasets.operator_data._CHUNK_BYTES", 2 * 6 * 4 * 4)
    path = _netcdf(tmp_path / "samples.nc", _samples())
    with open_fields(path, ["a"], ["u"]) as opened:
        assert not opened["a"].variable._in_memory
        assert (opened["a"].chunks is not None) == with_dask
        if with_dask:
            assert opened["a"].chunks == ((2, 2, 1), (6,), (4,))
        some = opened["a"].isel(sample=[3, 1]).values
        np.testing.assert_array_equal(some, _samples()["a"].values[[3, 1]])
    # HDF5 does not let a file that is still open be replaced in place.
    with h5py.File(path, "r+") as file:
        file["a"][:] = 0


def test_a_stationary_file_of_pdebench(tmp_path):
    nu, tensor = _values(4, 6, 5), _values(4, 1, 6, 5, seed=1)
    x, y = np.linspace(0, 1, 6), np.linspace(0, 1, 5)
    path = _pdebench(
        tmp_path / "darcy.hdf5", {"nu": nu, "tensor": tensor}, x=x, y=y, t=np.arange(10.0)
    )
    with open_fields(path, ["nu"], ["tensor"]) as opened:
        assert opened["nu"].dims == opened["tensor"].dims == ("sample", "x", "y")
        np.testing.assert_array_equal(opened["nu"], nu)
        np.testing.assert_array_equal(opened["tensor"], tensor[:, 0])
        np.testing.assert_array_equal(opened["y"], y)
        assert opened.attrs["beta"] == 1.0


@pytest.mark.parametrize("extra_times", [0, 1])
def test_a_time_dependent_file_of_pdebench(tmp_path, extra_times):
    # Equal sizes, so that only the order of the axes tells them apart.
    tensor, x = _values(3, 3, 3), np.linspace(0, 1, 3)
    times = np.arange(3.0 + extra_times)
    path = _pdebench(tmp_path / "burgers.hdf5", {"tensor": tensor}, x=x, t=times)
    with open_fields(path, ["tensor"], ["tensor"]) as opened:
        assert opened["tensor"].dims == ("sample", "time", "x")
        np.testing.assert_array_equal(opened["tensor"], tensor)
        np.testing.assert_array_equal(opened["time"], times[:3])


def test_a_file_of_pdebench_with_several_arrays_on_a_plane(tmp_path):
    arrays = {"density": _values(2, 3, 5, 4), "Vx": _values(2, 3, 5, 4, seed=1)}
    axes = {"x": np.arange(5.0), "y": np.arange(4.0), "t": np.arange(3.0)}
    with open_fields(_pdebench(tmp_path / "cfd.hdf5", arrays, **axes), *2 * [[*arrays]]) as opened:
        assert opened.sizes == {"sample": 2, "time": 3, "x": 5, "y": 4}
        np.testing.assert_array_equal(opened["Vx"], arrays["Vx"])


def test_a_file_of_the_well(tmp_path):
    path = _the_well(tmp_path / "flow.hdf5")
    with open_fields(path, ["density", "speed", "Re"], ["velocity", "strain"]) as opened:
        lead = ("sample", "time", "x", "y")
        assert opened["density"].dims == lead
        assert opened["velocity"].dims == (*lead, "component")
        assert opened["strain"].dims == (*lead, "component", "second_component")
        np.testing.assert_array_equal(opened["velocity"], _values(3, 4, 6, 5, 2, seed=2))
        np.testing.assert_array_equal(opened["time"], [0.0, 0.5, 1.0, 1.5])
        # The same for all trajectories, and repeated for each.
        assert opened["speed"].dims == ("sample", "x", "y") and opened["Re"].dims == ("sample",)
        np.testing.assert_array_equal(opened["speed"], np.stack(3 * [_values(6, 5, seed=1)]))
        np.testing.assert_array_equal(opened["Re"], np.repeat(_values(1, seed=4), 3))
        assert opened.attrs["boundary_conditions"] == "x: PERIODIC; y: WALL"


def test_stationary_fields_and_profiles_of_the_well(tmp_path):
    path = _the_well(tmp_path / "flow.hdf5", trajectories=2)
    with open_fields(path, ["speed"], ["profile"]) as opened:
        assert opened["profile"].dims == ("sample", "x") and "time" not in opened.coords
    with open_fields(path, ["speed"], ["speed"]) as opened:
        assert opened.sizes == {"sample": 2, "x": 6, "y": 5}


def test_times_of_the_well_that_differ_between_samples(tmp_path):
    path = _the_well(tmp_path / "flow.hdf5", time_per_sample=True)
    with open_fields(path, ["density"], ["density"]) as opened:
        assert opened["sample_time"].dims == ("sample", "time")
        assert "time" not in opened.coords


def _rename(dataset):
    return dataset.rename(a="nu")


def _transpose(dataset):
    return dataset.transpose("x", "y", "sample")


def _text(dataset):
    return dataset.assign(a=(("sample",), np.array(list("abcde"))))


def _without_x(dataset):
    return dataset.drop_vars("x")


def _other_grid(dataset):
    coarse = dataset["u"].isel(x=slice(None, None, 2)).rename(x="x2")
    return dataset.assign(u=coarse)


def _stretched(dataset):
    return dataset.assign_coords(y=dataset["y"].values ** 2)


def _backwards(dataset):
    return dataset.isel(x=slice(None, None, -1))


def _nan(dataset):
    dataset["u"][3, 2, 1] = np.nan
    return dataset


def _infinite(dataset):
    dataset["a"][4, 0, 0] = np.inf
    return dataset


def _no_samples(dataset):
    return dataset.isel(sample=slice(0, 0))


def _late_time(dataset):
    return dataset.expand_dims(time=[0.0, 1.0], axis=-1)


def _unsorted_times(dataset):
    return dataset.expand_dims(time=[1.0, 1.0], axis=1)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_rename, r"no variable 'a'; it has \['nu', 'u'\]"),
        (_transpose, r"'a' .* dims \('x', 'y', 'sample'\), expected 'sample' as the first"),
        (_text, r"'a' .* of type .*, expected numbers"),
        (_without_x, r"no coordinate 'x' for 'a'"),
        (_other_grid, r"'u' .* on the grid x2: 3, y: 4, but 'a' on x: 6, y: 4"),
        (_stretched, r"'y' .* not an increasing uniform coordinate"),
        (_backwards, r"'x' .* not an increasing uniform coordinate"),
        (_nan, r"'u' .* NaN or infinite in sample 3;"),
        (_infinite, r"'a' .* NaN or infinite in sample 4;"),
        (_no_samples, r"holds no samples"),
        (_late_time, r"'a' .* expected 'time' as the second"),
        (_unsorted_times, r"'time' .* does not increase"),
    ],
)
def test_bad_netcdf_is_refused_in_one_line(tmp_path, spoil, message):
    path = _netcdf(tmp_path / "samples.nc", spoil(_samples()))
    with pytest.raises(DataError, match=message) as raised:
        open_fields(path, ["a"], ["u"])
    assert "samples.nc" in str(raised.value) and "\n" not in str(raised.value)


def test_values_are_only_checked_where_asked_for(tmp_path):
    path = _netcdf(tmp_path / "samples.nc", _nan(_samples()))
    with open_fields(path, ["a"], ["u"], check_values=False) as opened:
        assert bool(opened["u"].isnull().any())


@given(sample=st.integers(0, 4), x=st.integers(0, 5), y=st.integers(0, 3), block=st.integers(1, 3))
@settings(max_examples=10)
def test_one_bad_value_anywhere_is_found(tmp_path_factory, sample, x, y, block):
    dataset = _samples()
    dataset["u"][sample, x, y] = np.nan
    path = _netcdf(tmp_path_factory.mktemp("data") / "samples.nc", dataset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("closurax.datasets.operator_data._BLOCK_BYTES", block * 6 * 4 * 4)
        with pytest.raises(DataError, match=f"infinite in sample {sample};"):
            open_fields(path, ["a"], ["u"])


@pytest.mark.parametrize(
    "arrays, axes, message",
    [
        ({"u": (4, 6)}, {}, r"no array 'nu'; it has \['u'\]"),
        ({"nu": (4, 6, 5), "u": (4, 6)}, {}, r"'u' .* 6 points along 'x', but|'x'"),
        ({"nu": (4, 6), "u": (3, 6)}, {}, r"'u' .* 3 points along 'sample', but 'nu' has 4"),
        ({"nu": (4, 7), "u": (4, 7)}, {}, r"'nu' .* 7 points along 'x', but 'x' has 6"),
        ({"nu": (4, 2, 6), "u": (4, 2, 6)}, {}, r"2 fields in time, but no 't-coordinate'"),
        ({"nu": (4, 2, 6), "u": (4, 2, 6)}, {"t": 5}, r"2 fields in time, but 5 times"),
        ({"nu": (6,), "u": (4, 6)}, {}, r"'nu' .* has 1 axes, expected \('sample', 'x'\)"),
    ],
)
def test_bad_files_of_pdebench_are_refused(tmp_path, arrays, axes, message):
    values = {name: _values(*shape) for name, shape in arrays.items()}
    coordinates = {"x": np.arange(6.0)} | {axis: np.arange(float(n)) for axis, n in axes.items()}
    path = _pdebench(tmp_path / "data.hdf5", values, **coordinates)
    with pytest.raises(DataError, match=message) as raised:
        open_fields(path, ["nu"], ["u"])
    assert "\n" not in str(raised.value)
    path.unlink()


def test_bad_files_of_the_well_are_refused(tmp_path):
    path = _the_well(tmp_path / "flow.hdf5")
    with pytest.raises(DataError, match=r"no field 'pressure'; it has \['Re', 'density', "):
        open_fields(path, ["density"], ["pressure"])
    with h5py.File(path, "r+") as file:
        file["t0_fields/density"].attrs["time_varying"] = False
    with pytest.raises(
        DataError, match=r"'density' .* shape \(3, 4, 6, 5\), but .* it has the axes"
    ):
        open_fields(path, ["density"], ["velocity"])
    with h5py.File(path, "r+") as file:
        del file["dimensions/y"]
        file["dimensions/y"] = np.linspace(0, 1, 4)
    with pytest.raises(DataError, match=r"'velocity' .* 5 points along 'y', but 'y' has 4"):
        open_fields(path, ["velocity"], ["velocity"])
    with h5py.File(path, "r+") as file:
        del file["dimensions/y"]
    with pytest.raises(DataError, match=r"no coordinate 'y' in 'dimensions'"):
        open_fields(path, ["velocity"], ["velocity"])


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file .*nowhere.nc"):
        open_fields(tmp_path / "nowhere.nc", ["a"], ["u"])
    path = tmp_path / "text.nc"
    path.write_bytes(b"a,u\n1,2\n")
    with pytest.raises(DataError, match="not a netCDF 4 or 3 file"):
        open_fields(path, ["a"], ["u"])
    whole = _pdebench(tmp_path / "cut.hdf5", {"u": _values(50, 60)}, x=np.arange(60.0))
    whole.write_bytes(whole.read_bytes()[:4000])
    with pytest.raises(DataError, match="cut.hdf5.* is damaged or truncated"):
        open_fields(whole, ["u"], ["u"])
    with pytest.raises(DataError, match="at least one of `inputs` and `outputs`"):
        open_fields(whole, [], ["u"])

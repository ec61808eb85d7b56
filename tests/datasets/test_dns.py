import hypothesis.strategies as st
import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

from closurax.datasets import open_dns, write_dns
from closurax.physics.errors import DataError


def _snapshots(size=8, times=3, seed=0, dtype=np.float32):
    values = np.random.default_rng(seed).normal(size=(times, size, size)).astype(dtype)
    axis = np.arange(size) * (2 * np.pi / size)
    return xr.Dataset(
        {"vorticity": (("time", "x", "y"), values, {"units": "s-1"})},
        coords={"time": 0.5 * np.arange(times), "x": axis, "y": axis},
        attrs={"nu": 5e-5},
    )


def _written(path, dataset):
    dataset.to_netcdf(path, engine="netcdf4")
    return path


@settings(max_examples=10)
@given(
    half_size=st.integers(2, 9),
    times=st.integers(1, 4),
    dtype=st.sampled_from([np.float32, np.float64]),
    units=st.sampled_from([None, "s-1", "1/s", "s**-1", "s^-1"]),
)
def test_what_is_written_is_read(tmp_path_factory, half_size, times, dtype, units):
    path = tmp_path_factory.mktemp("dns") / "dns.nc"
    dataset = _snapshots(2 * half_size, times, dtype=dtype)
    dataset["vorticity"].attrs = {} if units is None else {"units": units}
    write_dns(dataset, path)
    with open_dns(path) as opened:
        np.testing.assert_array_equal(opened["vorticity"].values, dataset["vorticity"].values)
        assert opened["vorticity"].dtype == dtype
        assert opened["vorticity"].dims == ("time", "x", "y")
        assert opened["vorticity"].attrs["units"] == "s-1"
        assert opened["x"].attrs["units"] == "m" and opened["time"].attrs["units"] == "s"
        assert opened.attrs["nu"] == 5e-5
    assert [file.name for file in path.parent.iterdir()] == ["dns.nc"]


def _without_vorticity(dataset):
    return dataset.rename(vorticity="omega")


def _without_x(dataset):
    return dataset.drop_vars("x")


def _transposed(dataset):
    return dataset.transpose("time", "y", "x")


def _velocity_units(dataset):
    dataset["vorticity"].attrs["units"] = "m s-1"
    return dataset


def _degrees(dataset):
    dataset["x"].attrs["units"] = "degrees_east"
    return dataset


def _nan(dataset):
    dataset["vorticity"][1, 2, 3] = np.nan
    return dataset


def _infinite(dataset):
    dataset["vorticity"][2, 0, 0] = -np.inf
    return dataset


def _rectangular(dataset):
    return dataset.isel(y=slice(0, 4))


def _unequal_spacing(dataset):
    return dataset.assign_coords(y=2 * dataset["y"].values)


def _stretched(dataset):
    return dataset.assign_coords(x=dataset["x"].values ** 2)


def _odd(dataset):
    return dataset.isel(x=slice(0, 7), y=slice(0, 7))


def _integer(dataset):
    return dataset.astype(np.int32)


def _backwards(dataset):
    return dataset.isel(time=[2, 1, 0])


def _no_snapshots(dataset):
    return dataset.isel(time=slice(0, 0))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_without_vorticity, r"no variable 'vorticity'; it has .*'omega'"),
        (_without_x, r"no variable 'x'"),
        (_transposed, r"'vorticity' .* dims \('time', 'y', 'x'\), expected \('time', 'x', 'y'\)"),
        (_velocity_units, r"'vorticity' .* units 'm s-1', expected 's-1'"),
        (_degrees, r"'x' .* units 'degrees_east', expected 'm'"),
        (_nan, r"'vorticity' .* NaN or infinite at time index 1 \(t = 0.5 s\)"),
        (_infinite, r"'vorticity' .* NaN or infinite at time index 2"),
        (_rectangular, r"unequal grid: 8 x 4 points"),
        (_unequal_spacing, r"unequal grid: .* of 0.785398 m x 1.5708 m"),
        (_stretched, r"'x' .* not an increasing uniform coordinate"),
        (_odd, r"'x' .* 7 points, expected an even number"),
        (_integer, r"'vorticity' .* of type int32, expected floating-point"),
        (_backwards, r"'time' .* does not increase"),
        (_no_snapshots, r"holds no snapshots"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path, spoil, message):
    path = _written(tmp_path / "dns.nc", spoil(_snapshots()))
    with pytest.raises(DataError, match=message) as raised:
        open_dns(path)
    assert "dns.nc" in str(raised.value)
    assert "\n" not in str(raised.value)


@given(
    time=st.integers(0, 2), x=st.integers(0, 7), y=st.integers(0, 7),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)  # fmt: skip
@settings(max_examples=10)
def test_one_bad_value_anywhere_is_found(tmp_path_factory, time, x, y, value):
    dataset = _snapshots()
    dataset["vorticity"][time, x, y] = value
    path = _written(tmp_path_factory.mktemp("dns") / "dns.nc", dataset)
    with pytest.raises(DataError, match=f"time index {time} "):
        open_dns(path)


def test_missing_values_are_not_finite(tmp_path):
    path = tmp_path / "packed.nc"
    dataset = _snapshots()
    dataset["vorticity"][1, 0, 0] = np.nan
    encoding = {"vorticity": {"dtype": "int16", "scale_factor": 1e-3, "_FillValue": -32768}}
    dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)
    with pytest.raises(DataError, match="time index 1"):
        open_dns(path)


@pytest.mark.parametrize("file_format", ["NETCDF4", "NETCDF3_64BIT", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, file_format, kept):
    path = tmp_path / "dns.nc"
    _snapshots(64).to_netcdf(path, engine="netcdf4", format=file_format)
    with open_dns(path):
        pass
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match="dns.nc.* is damaged or truncated"):
        open_dns(path)


def test_damaged_data_are_refused(tmp_path):
    path = tmp_path / "dns.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", 2), ("x", 64), ("y", 64)):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = np.arange(size)
        variable = file.createVariable(
            "vorticity", "f4", ("time", "x", "y"), fletcher32=True, chunksizes=(1, 64, 64)
        )
        variable[:] = np.random.default_rng(0).normal(size=(2, 64, 64))
        marker = variable[1, 30].tobytes()
    content = path.read_bytes()
    assert content.count(marker) == 1
    path.write_bytes(content.replace(marker, bytes(len(marker))))
    with pytest.raises(DataError, match="time index 1 .* damaged"):
        open_dns(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 an archive", b"vorticity,x,y\n1,2,3\n"])
def test_what_is_not_netcdf_is_refused(tmp_path, content):
    path = tmp_path / "dns.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a netCDF 4 or 3 file"):
        open_dns(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file .*nowhere.nc"):
        open_dns(tmp_path / "nowhere.nc")
    with pytest.raises(DataError, match="There is no file"):
        open_dns(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "dns.nc"
    write_dns(_snapshots(), path)
    before = path.read_bytes()
    unwritable = _snapshots().assign_attrs(nu={"not": "an attribute"})
    with pytest.raises(TypeError):
        write_dns(unwritable, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["dns.nc"]

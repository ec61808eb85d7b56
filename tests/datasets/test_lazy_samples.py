import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from closurax.datasets import lazy_samples, open_fields
from closurax.physics.errors import DataError

COUNT, SHAPE = 9, (6, 4)


def fields(dtype=np.float32):
    values = np.random.default_rng(0).normal(size=(2, COUNT, *SHAPE)).astype(dtype)
    axes = {"x": ("x", np.arange(6) / 6), "y": ("y", np.arange(4) / 4)}
    dims = ("sample", "x", "y")
    return xr.Dataset({"a": (dims, values[0]), "u": (dims, values[1])}, axes)


def stacked(dataset, *names):
    return np.stack([dataset[name].values.astype(np.float32) for name in names], axis=1)


@pytest.fixture(scope="module", params=["contiguous", "compressed", "dask", "PDEBench"])
def opened(request, tmp_path_factory):
    """A file in one of several layouts, opened, but not read."""
    path = tmp_path_factory.mktemp("samples") / "samples.nc"
    dataset = fields()
    if request.param == "PDEBench":
        with h5py.File(path, "w") as file:
            for name in ("a", "u"):
                file[name] = dataset[name].values
            for axis in ("x", "y"):
                file[f"{axis}-coordinate"] = dataset[axis].values
    else:
        packed = {"zlib": True, "chunksizes": (4, *SHAPE)}
        encoding = {"a": packed, "u": packed} if request.param == "compressed" else {}
        dataset.to_netcdf(path, engine="netcdf4", encoding=encoding)
    with open_fields(path, ["a"], ["u"], chunked=request.param == "dask") as opened:
        yield opened


@given(data=st.data())
def test_every_index_is_that_of_the_array_in_memory(opened, data):
    samples, expected = lazy_samples(opened, ["u", "a"]), stacked(fields(), "u", "a")
    assert samples.shape == expected.shape and samples.ndim == 4
    assert samples.dtype == np.float32 and len(samples) == COUNT
    index = data.draw(
        st.one_of(
            st.integers(-COUNT, COUNT - 1),
            st.slices(COUNT),
            st.lists(st.integers(-COUNT, COUNT - 1), min_size=1, max_size=12).map(np.array),
        )
    )
    np.testing.assert_array_equal(samples[index], expected[index])
    assert samples[index].dtype == np.float32


def test_nothing_is_kept_and_parts_stay_lazy(opened):
    part = opened.isel(sample=slice(3, None))
    samples = lazy_samples(part, ["a"])
    np.testing.assert_array_equal(samples[[2, 0]], stacked(fields(), "a")[[5, 3]])
    assert not samples.fields[0].variable._in_memory
    assert not opened["a"].variable._in_memory


def test_values_are_converted_when_they_are_read():
    samples = lazy_samples(fields(np.float64), ["a"])
    np.testing.assert_array_equal(samples[:], stacked(fields(np.float64), "a"))
    assert lazy_samples(fields(np.float64), ["a"], dtype=float)[0].dtype == np.float64


def test_iteration_ends_with_the_samples():
    samples = lazy_samples(fields(), ["a"])
    assert sum(1 for _ in samples) == COUNT
    with pytest.raises(IndexError, match="no sample 9; there are 9"):
        samples[9]


@pytest.mark.parametrize(
    "dataset, names, said",
    [
        (fields(), [], "at least one"),
        (fields(), ["b"], r"no variable 'b'; it has \['a', 'u'\]"),
        (fields().transpose("x", ...), ["a"], "'sample' as the first dim"),
        (fields().assign(a=lambda d: d["a"].astype(str)), ["a"], "expected numbers"),
        (fields().assign(u=lambda d: d["u"].mean("x")), ["a", "u"], "'u' has dims"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(dataset, names, said):
    with pytest.raises(DataError, match=said) as raised:
        lazy_samples(dataset, names)
    assert "\n" not in str(raised.value)

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given

from closurax.datasets import Batches, open_trajectories, windows
from closurax.physics.errors import DataError


def trajectories(n_samples=3, n_times=7, points=(4,), seed=0):
    values = np.random.default_rng(seed).normal(size=(n_samples, n_times, *points))
    dims = ("sample", "time", "x", "y")[: values.ndim]
    return xr.Dataset({"u": (dims, values.astype(np.float32))})


def slow_windows(values, input_steps, output_steps, stride):
    pairs = []
    for trajectory in values:
        start = 0
        while start + input_steps + output_steps <= len(trajectory):
            middle = start + input_steps
            pairs.append((trajectory[start:middle], trajectory[middle : middle + output_steps]))
            start += stride
    return [np.stack(part) for part in zip(*pairs, strict=True)]


@given(
    n_samples=st.integers(1, 4),
    n_times=st.integers(2, 12),
    points=st.sampled_from([(), (4,), (3, 2)]),
    input_steps=st.integers(1, 6),
    output_steps=st.integers(1, 6),
    stride=st.integers(1, 5),
    data=st.data(),
)
def test_windows_are_those_of_the_obvious_loop(
    n_samples, n_times, points, input_steps, output_steps, stride, data
):
    dataset = trajectories(n_samples, n_times, points)
    if input_steps + output_steps > n_times:
        with pytest.raises(DataError, match=f"is longer than .* {n_times} times"):
            windows(dataset, "u", input_steps, output_steps, stride)
        return
    cut = windows(dataset, "u", input_steps, output_steps, stride)
    inputs, targets = slow_windows(dataset["u"].values, input_steps, output_steps, stride)
    assert len(cut) == len(inputs)
    everything = cut[:]
    np.testing.assert_array_equal(everything["input"], inputs)
    np.testing.assert_array_equal(everything["target"], targets)
    assert everything["input"].dtype == np.float32

    index = data.draw(st.integers(-len(cut), len(cut) - 1))
    np.testing.assert_array_equal(cut[index]["input"], inputs[index])
    np.testing.assert_array_equal(cut[index]["target"], targets[index])
    chosen = np.array(data.draw(st.lists(st.integers(0, len(cut) - 1), min_size=1, max_size=5)))
    np.testing.assert_array_equal(cut[chosen]["target"], targets[chosen])
    lazy = cut.lazy()
    for name, expected in (("input", inputs), ("target", targets)):
        assert lazy[name].shape == expected.shape and lazy[name].dtype == expected.dtype
        assert len(lazy[name]) == len(expected) and lazy[name].ndim == expected.ndim
        np.testing.assert_array_equal(lazy[name][:], expected)
        np.testing.assert_array_equal(lazy[name][chosen], expected[chosen])
    np.testing.assert_array_equal(cut.samples, np.repeat(np.arange(n_samples), cut.per_sample))


def test_windows_of_a_file_are_read_when_they_are_asked_for(tmp_path):
    dataset = trajectories(points=(4, 6))
    dataset.to_netcdf(tmp_path / "u.nc")
    with open_trajectories(tmp_path / "u.nc") as opened:
        cut = windows(opened, "u", 2, 1)
        batches = Batches(len(cut), 4)
        batch = cut[batches.indices(0)[0]]
        everything = windows(dataset, "u", 2, 1)[:]
        np.testing.assert_array_equal(batch["input"], everything["input"][batches.indices(0)[0]])
        assert batch["input"].shape == (4, 2, 4, 6) and batch["target"].shape == (4, 1, 4, 6)


def test_iteration_ends_with_the_windows():
    cut = windows(trajectories(), "u", stride=3)
    assert sum(1 for _ in cut) == len(cut) == 6
    with pytest.raises(IndexError, match="no window 6; there are 6"):
        cut[6]


def with_nan():
    dataset = trajectories()
    dataset["u"][1, 5, 2] = np.nan
    return dataset


@pytest.mark.parametrize(
    "dataset, arguments, message",
    [
        (trajectories(), dict(variable="v"), r"no variable 'v'; it has \['u'\]"),
        (trajectories(), dict(input_steps=6, output_steps=2), "6 \\+ 2 steps is longer"),
        (trajectories(), dict(stride=0), "`stride` must be at least 1, not 0"),
        (trajectories(), dict(output_steps=-1), "`output_steps` must be at least 1"),
        (trajectories(n_samples=0), {}, "'sample' is empty"),
        (trajectories().transpose("time", ...), {}, "expected floating-point .* leading dims"),
        (trajectories().astype(int), {}, "is of type int64"),
        (with_nan(), {}, "NaN or infinite in sample 1 at time index 5"),
    ],
)
def test_data_that_do_not_fit_are_one_clear_line(dataset, arguments, message):
    with pytest.raises(DataError, match=message) as raised:
        windows(dataset, **{"variable": "u", **arguments})
    assert "\n" not in str(raised.value)


def test_what_neighbouring_windows_share_is_read_once(monkeypatch):
    dataset, spans = trajectories(n_samples=2, n_times=9), []
    read = xr.DataArray.__getitem__
    cut = windows(dataset, "u", 2, 1)
    monkeypatch.setattr(
        xr.DataArray, "__getitem__", lambda self, key: spans.append(key) or read(self, key)
    )
    cut[:]
    assert spans == [(0, slice(0, 9)), (1, slice(0, 9))]
    spans.clear()
    cut[np.array([0, 4, 5, 8])]
    assert spans == [(0, slice(0, 3)), (0, slice(4, 8)), (1, slice(1, 4))]
    spans.clear()
    cut.lazy()["target"][:]
    assert spans == [(0, slice(2, 9)), (1, slice(2, 9))]

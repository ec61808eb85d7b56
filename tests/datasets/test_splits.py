import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given

from closurax.datasets import split_by_time_block
from closurax.physics.errors import DataError


def _series(times):
    return xr.Dataset({"index": ("time", np.arange(len(times)))}, coords={"time": times})


@given(
    steps=st.lists(st.floats(0.1, 2.0), min_size=20, max_size=60),
    weights=st.lists(st.floats(0.2, 1.0), min_size=1, max_size=4),
    gap=st.floats(0.0, 1.0),
)
def test_blocks_are_contiguous_ordered_and_apart(steps, weights, gap):
    times = np.cumsum(steps)
    fractions = np.array(weights) / sum(weights)
    try:
        blocks = split_by_time_block(_series(times), fractions.tolist(), gap)
    except DataError as error:
        assert "would be empty" in str(error)
        assume(False)
    assert len(blocks) == len(fractions)
    for block in blocks:
        assert block.sizes["time"] > 0
        assert (np.diff(block["index"]) == 1).all()
    for earlier, later in zip(blocks, blocks[1:], strict=False):
        assert float(later["time"][0] - earlier["time"][-1]) >= gap * (1 - 1e-12)
    used = np.concatenate([block["index"] for block in blocks])
    assert (np.diff(used) > 0).all()
    assert used[0] == 0 and used[-1] == len(times) - 1
    if gap == 0:
        assert len(used) == len(times)


def test_fractions_and_gap_are_those_asked_for():
    blocks = split_by_time_block(_series(np.arange(0.0, 100.0, 0.5)), (0.8, 0.1, 0.1), gap=5.0)
    assert [block.sizes["time"] for block in blocks] == [144, 18, 18]
    starts = [float(block["time"][0]) for block in blocks]
    assert starts == [0.0, 77.0, 91.0]


@pytest.mark.parametrize(
    "times, fractions, gap, message",
    [
        ([0.0, 1.0], (0.8, 0.1, 0.1), 0.0, "Block 1 of 3 would be empty: 2 samples"),
        (np.arange(10.0), (0.5, 0.5), 9.0, "Block 0 of 2 would be empty"),
        (np.arange(10.0), (0.5, 0.4), 0.0, "must be positive and add up to 1"),
        (np.arange(10.0), (1.1, -0.1), 0.0, "must be positive and add up to 1"),
        (np.arange(10.0), (), 0.0, "must be positive and add up to 1"),
        (np.arange(10.0), (0.5, 0.5), -1.0, "must not be negative"),
        ([0.0, 2.0, 1.0], (1.0,), 0.0, "must increase strictly"),
        ([], (1.0,), 0.0, "must increase strictly"),
    ],
)
def test_impossible_splits_are_refused(times, fractions, gap, message):
    with pytest.raises(DataError, match=message):
        split_by_time_block(_series(np.asarray(times, float)), fractions, gap)


def test_a_dataset_without_time_is_refused():
    with pytest.raises(DataError, match="no coordinate 'time'"):
        split_by_time_block(xr.Dataset({"index": ("time", np.arange(3))}))

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from closurax.datasets import Batches
from closurax.physics.errors import DataError


@given(
    n_samples=st.integers(1, 50),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 1000),
)
def test_an_epoch_uses_each_sample_at_most_once(n_samples, batch_size, seed, epoch):
    batch_size = min(batch_size, n_samples)
    batches = Batches(n_samples, batch_size, seed)
    indices = batches.indices(epoch)
    assert indices.shape == (batches.n_batches, batch_size)
    assert n_samples - batch_size < indices.size <= n_samples
    assert len(np.unique(indices)) == indices.size
    assert indices.min() >= 0 and indices.max() < n_samples
    np.testing.assert_array_equal(indices, Batches(n_samples, batch_size, seed).indices(epoch))


def test_seeds_and_epochs_differ():
    orders = [
        tuple(Batches(100, 10, seed).indices(epoch).ravel())
        for seed in range(4)
        for epoch in range(4)
    ]
    assert len(set(orders)) == 16


def test_every_sample_is_seen_over_the_epochs_though_some_are_dropped():
    batches = Batches(10, 4)
    seen = np.concatenate([batches.indices(epoch).ravel() for epoch in range(20)])
    counts = np.bincount(seen, minlength=10)
    assert counts.sum() == 160 and counts.min() >= 8


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_impossible_batches_are_refused(batch_size):
    with pytest.raises(DataError, match=r"must be between 1 and .* 10"):
        Batches(10, batch_size)
    with pytest.raises(DataError, match="`seed` must not be negative"):
        Batches(10, 1, seed=-1)


@given(n_samples=st.integers(1, 60), together=st.integers(1, 20), epoch=st.integers(0, 20))
def test_neighbours_stay_together(n_samples, together, epoch):
    order = Batches(n_samples, 1, 3, together).indices(epoch).ravel()
    np.testing.assert_array_equal(np.sort(order), np.arange(n_samples))
    # Every group is met once, from its first sample to its last.
    groups = order // together
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    assert len(starts) == len(np.unique(groups))
    for group in np.split(order, starts[1:]):
        np.testing.assert_array_equal(group, np.arange(group[0], group[0] + len(group)))
        assert group[0] % together == 0


def test_groups_are_shuffled_and_single_samples_as_ever():
    batches = Batches(64, 8, 1, together=8)
    assert len({tuple(batches.indices(epoch)[:, 0]) for epoch in range(5)}) == 5
    alone = np.random.default_rng((1, 2)).permutation(64).reshape(8, 8)
    np.testing.assert_array_equal(Batches(64, 8, 1).indices(2), alone)
    with pytest.raises(DataError, match="`together` must be at least 1, not 0"):
        Batches(64, 8, 1, together=0)

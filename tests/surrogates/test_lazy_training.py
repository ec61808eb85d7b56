"""Training on data that stay in a file is training on the same data in memory."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

from closurax.datasets import lazy_samples, open_fields, open_trajectories, windows
from closurax.physics.errors import ClosuraxError, DataError
from closurax.surrogates import fit, read_header, rollout_loss
from closurax.surrogates.training import offline
from closurax.surrogates.training.sample_batches import held_in_memory, sample_batches
from closurax.surrogates.training.training_data import checked_digest, read_samples

SHAPE = (6, 4)


class Stretched(eqx.Module):
    """A field times a learned one, plus a number."""

    factor: jax.Array
    offset: jax.Array

    def __call__(self, fields):
        return self.factor[None] * fields + self.offset


def model():
    return Stretched(jnp.ones(SHAPE), jnp.float32(0.0))


def loss(model, batch):
    return jnp.mean((jax.vmap(model)(batch["inputs"]) - batch["targets"]) ** 2)


def data(count, seed=0):
    values = np.random.default_rng(seed).normal(size=(2, count, 1, *SHAPE)).astype(np.float32)
    return {"inputs": values[0], "targets": 2 * values[0] + 0.1 * values[1]}


def trained(train, validation=None, **options):
    settings = {
        "loss": loss,
        "optimiser": optax.adam(0.05),
        "epochs": 3,
        "batch_size": 8,
        "seed": 1,
        "progress": False,
    }
    validation = data(11, seed=1) if validation is None else validation
    return fit(model(), train, validation, **{**settings, **options})


def assert_bitwise_equal(ours, theirs):
    assert eqx.tree_equal((ours.best, ours.last), (theirs.best, theirs.last))
    for name in ("training_loss", "validation_loss"):
        np.testing.assert_array_equal(ours.history[name], theirs.history[name])


class Recorded:
    """An array that is read when it is indexed, and keeps count of it."""

    def __init__(self, values, fails_after=None):
        self.values, self.fails_after = values, fails_after
        self.indices, self.threads = [], set()

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)

    def __getitem__(self, index):
        self.indices.append(index)
        self.threads.add(threading.current_thread().name)
        if self.fails_after is not None and len(self.indices) > self.fails_after:
            raise OSError("the disk\nis gone")
        return self.values[index]


def recorded(samples, **options):
    return {name: Recorded(values, **options) for name, values in samples.items()}


def readers():
    return [t.name for t in threading.enumerate() if t.name.startswith("closurax-reader")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert readers() == []


@pytest.fixture
def path(tmp_path):
    """A compressed netCDF file with the samples of `data(37)`."""
    values = data(37)
    dims = ("sample", "x", "y")
    axes = {"x": ("x", np.arange(6) / 6), "y": ("y", np.arange(4) / 4)}
    fields = {"a": (dims, values["inputs"][:, 0]), "u": (dims, values["targets"][:, 0])}
    packed = {"zlib": True, "chunksizes": (5, *SHAPE)}
    xr.Dataset(fields, axes).to_netcdf(
        tmp_path / "samples.nc", engine="netcdf4", encoding={"a": packed, "u": packed}
    )
    return tmp_path / "samples.nc"


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("options", [{}, {"together": 5}, {"devices": jax.devices()}])
def test_fields_of_a_file_train_bit_by_bit_what_arrays_do(path, chunked, options):
    expected = trained(data(37), **options)
    with open_fields(path, ["a"], ["u"], chunked=chunked) as opened:
        train = {"inputs": lazy_samples(opened, ["a"]), "targets": lazy_samples(opened, ["u"])}
        validation = recorded(data(11, seed=1))
        assert_bitwise_equal(trained(train, validation, **options), expected)


@pytest.mark.parametrize("kind", ["h5py", "memory map", "half of it in memory"])
def test_anything_that_is_indexed_like_an_array_is_read(path, kind, tmp_path):
    samples = data(37)
    expected = trained(samples)
    if kind == "h5py":
        with h5py.File(tmp_path / "samples.h5", "w") as file:
            train = {name: file.create_dataset(name, data=v) for name, v in samples.items()}
            assert_bitwise_equal(trained(train), expected)
    elif kind == "memory map":
        for name, values in samples.items():
            np.save(tmp_path / f"{name}.npy", values)
        train = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in samples}
        assert_bitwise_equal(trained(train), expected)
    else:
        train = {"inputs": Recorded(samples["inputs"]), "targets": samples["targets"]}
        assert_bitwise_equal(trained(train), expected)


def test_windows_of_a_file_train_bit_by_bit_what_arrays_do(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 9, *SHAPE)).astype(np.float32)
    xr.Dataset({"u": (("sample", "time", "x", "y"), values)}).to_netcdf(tmp_path / "u.nc")
    results = []
    with open_trajectories(tmp_path / "u.nc") as opened:
        for steps in (1, 3):
            cut = [
                windows(opened.isel(sample=part), "u", 1, steps) for part in (slice(3), slice(3, 4))
            ]

            def loss(model, batch, steps=steps):
                channel = {"input": batch["input"], "target": batch["target"][:, :, None]}
                return rollout_loss(model, channel, steps=steps)

            train, validation = (part.lazy() for part in cut)
            results = [
                trained(train, validation, loss=loss, batch_size=4),
                trained(cut[0][:], cut[1][:], loss=loss, batch_size=4),
            ]
            assert_bitwise_equal(*results)


def test_what_was_begun_in_memory_goes_on_from_a_file_and_back(tmp_path):
    whole = trained(data(37), epochs=4)
    trained(data(37), epochs=1, out=tmp_path)
    lazy = {"train": recorded(data(37)), "validation": recorded(data(11, seed=1))}
    trained(**lazy, epochs=2, out=tmp_path, resume=True)
    assert_bitwise_equal(trained(data(37), epochs=4, out=tmp_path, resume=True), whole)


def test_groups_in_the_shuffle_belong_to_a_training(tmp_path):
    trained(data(37), epochs=1, out=tmp_path, together=2)
    with pytest.raises(ClosuraxError, match="another together: 2 there, None now"):
        trained(data(37), out=tmp_path, resume=True)


def test_the_digest_is_that_of_all_values_at_once(monkeypatch):
    monkeypatch.setattr("closurax.surrogates.training.training_data._BLOCK_BYTES", 500)
    train, validation = data(37), data(11, seed=1)
    sha = hashlib.sha256()
    for index, part in enumerate((train, validation)):
        for name, values in sorted(part.items()):
            sha.update(f"{index}/{name} float32 {values.shape};".encode() + values.tobytes())
    assert checked_digest(train, validation, False) == sha.hexdigest()
    lazy = recorded(train)
    assert checked_digest(lazy, recorded(validation), False) == sha.hexdigest()
    assert len(lazy["inputs"].indices) == 8
    train["targets"][36, 0, 5, 3] += 1e-6
    assert checked_digest(train, validation, False) != sha.hexdigest()


def test_a_shuffled_batch_is_read_in_the_order_of_the_file():
    leaf = Recorded(np.arange(20))
    for indices in ([7, 3, 15, 4], [6, 4, 5], [9], [3, 4, 5]):
        np.testing.assert_array_equal(read_samples(leaf, np.array(indices), "leaf"), indices)
    np.testing.assert_array_equal(leaf.indices[0], [3, 4, 7, 15])
    assert leaf.indices[1:] == [slice(4, 7), slice(9, 10), slice(3, 6)]


def test_one_thread_reads_a_few_batches_ahead():
    train, rows = recorded(data(80)), np.arange(80).reshape(10, 8)[::-1]
    leaf = train["targets"]
    batches = sample_batches(held_in_memory(train), rows, "train")
    assert leaf.indices == []
    for used in range(1, 5):
        batch = next(batches)
        np.testing.assert_array_equal(batch["targets"], leaf.values[rows[used - 1]])
        assert isinstance(batch["inputs"], jax.Array)
        deadline = time.monotonic() + 30
        while len(leaf.indices) < used + 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)
        # Three wait, and no more is read until one of them is asked for.
        assert len(leaf.indices) == used + 3
    assert len(readers()) == 1 and leaf.threads == set(readers())
    batches.close()
    assert readers() == [] and len(leaf.indices) == 7


def test_it_is_read_while_the_caller_works():
    release = threading.Event()

    class Slow(Recorded):
        def __getitem__(self, index):
            values = super().__getitem__(index)
            if len(self.indices) == 2:
                assert release.wait(30)
            return values

    batches = sample_batches({"x": Slow(np.arange(6.0))}, np.arange(6).reshape(3, 2), "train")
    # The first batch arrives although the second one is not there yet.
    first = threading.Thread(target=lambda: release.set())
    assert next(batches)["x"].shape == (2,) and not release.is_set()
    first.start()
    assert [batch["x"].shape for batch in batches] == [(2,), (2,)]
    first.join()


def test_an_error_of_the_thread_is_one_clear_line(tmp_path):
    train = recorded(data(37), fails_after=7)
    with pytest.raises(DataError, match="'inputs' in `train` cannot be read at samples") as raised:
        trained(train, out=tmp_path)
    assert "OSError: the disk is gone" in str(raised.value) and "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, OSError)
    # What was trained until then is there, and goes on.
    assert read_header(tmp_path / "last.npz")["epoch"] == 1
    assert_bitwise_equal(trained(data(37), out=tmp_path, resume=True), trained(data(37)))


def test_a_closed_file_says_so(path):
    with open_fields(path, ["a"], ["u"], chunked=False, check_values=False) as opened:
        train = {"inputs": lazy_samples(opened, ["a"]), "targets": lazy_samples(opened, ["u"])}
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        closed = file.create_dataset("inputs", data=data(40)["inputs"])
        batches = sample_batches({"inputs": closed}, np.arange(40).reshape(20, 2), "train")
        next(batches)
    with pytest.raises(DataError, match="'inputs' in `train` cannot be read at samples"):
        list(batches)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read .* must be complete and stay open"):
        trained(train)


def test_no_thread_outlives_an_interruption(monkeypatch):
    steps = []

    def interrupted(*arguments):
        steps.append(arguments)
        if len(steps) == 2:
            assert len(readers()) == 1
            raise KeyboardInterrupt

    monkeypatch.setattr(offline, "_check_finite", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        trained(recorded(data(80)))
    # While the traceback is still there, with all frames.
    assert readers() == [] and raised.tb is not None


def not_finite():
    train = data(37)
    train["targets"][29, 0, 1, 2] = np.nan
    return recorded(train)


def of_another_shape():
    train = recorded(data(37))
    train["targets"].values = np.zeros((37, 1, 6, 4))
    Misleading = type("Misleading", (Recorded,), {"dtype": np.dtype(np.float32)})
    return train | {"targets": Misleading(train["targets"].values)}


def masked():
    train = data(37)
    values = np.ma.masked_array(train["targets"], mask=False)
    values[30, 0, 2, 2] = np.ma.masked
    return recorded(train) | {"targets": Recorded(values)}


@pytest.mark.parametrize(
    "train, said",
    [
        (not_finite(), "'targets' in `train` is NaN or infinite in sample 29"),
        (of_another_shape(), "'targets' in `train` returns complete samples of float64"),
        (masked(), "'targets' in `train` returns incomplete samples"),
        (recorded(data(36)) | {"inputs": Recorded(data(37)["inputs"])}, "numbers of samples"),
        (recorded({"inputs": data(37)["inputs"]}), "`train` holds the arrays"),
    ],
)
def test_data_in_files_are_refused_like_others_before_any_work(train, said, tmp_path):
    with pytest.raises(DataError, match=said):
        trained(train, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_precision_is_that_of_the_caller(x64):
    values = np.random.default_rng(0).normal(size=(8, 2))
    batches = sample_batches({"x": Recorded(values)}, np.arange(8).reshape(2, 4), "train")
    for start, batch in zip((0, 4), batches, strict=True):
        assert batch["x"].dtype == jnp.float64
        np.testing.assert_array_equal(batch["x"], values[start : start + 4])


LARGE = """
import sys

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
from closurax.datasets import lazy_samples, open_fields
from closurax.surrogates import fit

MIB = 2**20

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

def train(count):
    with open_fields(sys.argv[1], ["a"], ["u"], check_values=False, chunked=False) as opened:
        opened = opened.isel(sample=slice(count))
        data = {"a": lazy_samples(opened, ["a"]), "u": lazy_samples(opened, ["u"])}
        loss = lambda slope, batch: jnp.mean((slope * batch["a"] - batch["u"]) ** 2)
        fit(
            jnp.float32(0.0), data, data, loss=loss, optimiser=optax.sgd(0.1), epochs=1,
            batch_size=4, seed=0, progress=False,
        )

# A few samples first, so that what is compiled and imported does not count.
train(16)
before = peak()
train(None)
print(peak() - before)
"""


def test_memory_is_bounded_by_batches_and_not_by_the_file(tmp_path):
    """The fields of the file are 256 MiB, a sample 0.5 MiB; all have to fit into 96 MiB."""
    path, shape = tmp_path / "large.h5", (256, 256)
    with h5py.File(path, "w") as file:
        rng = np.random.default_rng(0)
        for name in ("a", "u"):
            field = file.create_dataset(name, (512, *shape), np.float32)
            for start in range(0, 512, 32):
                field[start : start + 32] = rng.random((32, *shape), np.float32)
        for axis in ("x", "y"):
            file[f"{axis}-coordinate"] = np.arange(256) / 256
    assert path.stat().st_size > 256 * 2**20
    result = subprocess.run(
        [sys.executable, "-c", LARGE, path], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    growth = float(result.stdout)
    print(f"peak memory grew by {growth:.0f} MiB")
    assert growth < 96


KILLED = """
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
from closurax.datasets import lazy_samples, open_fields
from closurax.surrogates import fit

with open_fields(sys.argv[2], ["a"], ["u"], chunked=False) as opened:
    train, validation = (
        {"a": lazy_samples(part, ["a"]), "u": lazy_samples(part, ["u"])}
        for part in (opened.isel(sample=slice(32)), opened.isel(sample=slice(32, None)))
    )
    loss = lambda factor, batch: jnp.mean((factor * batch["a"] - batch["u"]) ** 2)
    fit(
        jnp.zeros((1, 1, 6, 4)), train, validation, loss=loss, optimiser=optax.adam(1e-2),
        epochs=150, batch_size=4, seed=3, out=Path(sys.argv[1]), resume=True, progress=False,
    )
"""


@pytest.mark.slow
def test_killed_and_resumed_training_from_a_file_is_bitwise_the_same(path, tmp_path):
    seed = int.from_bytes(os.urandom(4))
    print(f"seed of the random moment: {seed}")
    start = partial(subprocess.Popen, stdout=subprocess.PIPE)

    def finished(folder):
        process = start([sys.executable, "-c", KILLED, folder, path])
        process.communicate(timeout=300)
        assert process.returncode == 0
        with np.load(folder / "last.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return {n: a for n, a in arrays.items() if n not in ("header", "history/learning_time")}

    def epochs(folder: Path) -> int:
        last = folder / "last.npz"
        return read_header(last)["epoch"] if last.is_file() else 0

    expected = finished(tmp_path / "whole")
    folder = tmp_path / "killed"
    process = start([sys.executable, "-c", KILLED, folder, path])
    while process.poll() is None and epochs(folder) == 0:
        time.sleep(0.001)
    time.sleep(random.Random(seed).uniform(0.0, 0.2))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the training was over before the kill"
    killed_at = epochs(folder)
    print(f"killed after epoch {killed_at}")
    assert 0 < killed_at < 150
    resumed = finished(folder)
    assert set(resumed) == set(expected)
    for name, array in expected.items():
        assert resumed[name].tobytes() == array.tobytes(), name

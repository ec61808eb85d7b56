"""A training that is killed without warning and resumed ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from closurax.surrogates import read_header

TRAINING = """
import sys
from pathlib import Path

import jax
import numpy as np
import optax
from closurax.surrogates import ConvolutionalClosure, fit

def data(n_samples, seed):
    fields = np.random.default_rng(seed).normal(size=(2, n_samples, 8, 8)).astype(np.float32)
    return {"vorticity": fields[0], "target": fields[1]}

def loss(closure, batch):
    tendency = jax.vmap(lambda w: closure.tendencies({"vorticity": w}))(batch["vorticity"])
    return ((tendency["vorticity_tendency"] - batch["target"]) ** 2).mean()

closure = ConvolutionalClosure(
    width=4, depth=2, kernel_size=3, inputs=("vorticity",), key=jax.random.key(0, impl="rbg")
)
print("training", flush=True)
fit(
    closure, data(16, 0), data(8, 1), loss=loss, optimiser=optax.adamw(1e-3),
    epochs=80, batch_size=4, seed=3, out=Path(sys.argv[1]), resume=True, progress=False,
)
"""


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", TRAINING, folder], stdout=subprocess.PIPE)


def finished(folder: Path) -> dict[str, np.ndarray]:
    process = start(folder)
    process.communicate(timeout=300)
    assert process.returncode == 0
    with np.load(folder / "last.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return {n: a for n, a in arrays.items() if n not in ("header", "history/learning_time")}


@pytest.mark.slow
def test_killed_and_resumed_training_is_bitwise_the_same(tmp_path):
    seed = int.from_bytes(os.urandom(4))
    print(f"seed of the random moments: {seed}")
    moments = random.Random(seed)
    expected = finished(tmp_path / "whole")

    folder = tmp_path / "killed"
    killed_at = []
    for _ in range(2):
        process = start(folder)
        already = killed_at[-1] if killed_at else 0
        while process.poll() is None and epochs(folder) <= already:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the training was over before the kill"
        killed_at.append(epochs(folder))
    print(f"killed after epochs {killed_at}")
    assert 0 < killed_at[0] < killed_at[1] < 80

    resumed = finished(folder)
    assert set(resumed) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
        assert resumed[name].tobytes() == array.tobytes()


def epochs(folder: Path) -> int:
    path = folder / "last.npz"
    return read_header(path)["epoch"] if path.is_file() else 0

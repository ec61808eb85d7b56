"""Time per column of a convection scheme: exported to C, and in JAX, on one core.

    taskset -c 0 python benchmarks/convection_export.py SCHEME.eqx [MORE.eqx ...] \
        [--columns FILE.nc] [--write]

The columns, and so the share of them without convection, are those of the file, or drawn around
the soundings that ship. Compiles with gcc; times are processor times of the calling thread, each
the best of several rounds.
"""

import argparse
import ctypes
import subprocess
import tempfile
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from closurax import datasets, surrogates
from closurax.surrogates.export import COMPILER_FLAGS, export_c

TABLE = Path(__file__).parents[1] / "docs" / "generated" / "convection_export.md"
COLUMNS, BATCHES, ROUNDS = 4000, (1, 32, 1000), 15


def columns_of(path):
    if path is None:
        recipe = datasets.ColumnRecipe()
        return datasets.draw_columns(datasets.sars_soundings(), recipe, COLUMNS, seed=0)
    with datasets.open_convection_columns(path) as dataset:
        chosen = np.random.default_rng(0).permutation(dataset.sizes["column"])[:COLUMNS]
        inputs = datasets.column_inputs(dataset)
    return {name: np.ascontiguousarray(values[chosen]) for name, values in inputs.items()}


def compiled(scheme, inputs, folder):
    export_c(scheme, folder, {name: values[:512] for name, values in inputs.items()})
    flags = COMPILER_FLAGS.split()
    subprocess.run(
        ["gcc", *flags, "-shared", "-fPIC", "-o", "scheme.so", "closurax_convection.c", "-lm"],
        cwd=folder,
        check=True,
    )
    return ctypes.CDLL(str(folder / "scheme.so"))


def pointers(arrays):
    return (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])


def time_of_c(scheme, library, inputs, batch):
    """Microseconds per column of each batch in turn, averaged; the best of the rounds."""
    levels = inputs["air_pressure"].shape[1]
    fields = [np.zeros((batch, levels), np.float32) for _ in range(8)]
    outputs = pointers(fields + (scalars := [np.zeros(batch, np.float32) for _ in range(5)]))
    batches = []
    order = [quantity.name for quantity in scheme.reads]
    for start in range(0, COLUMNS - batch + 1, batch):
        part = [np.ascontiguousarray(inputs[name][start : start + batch]) for name in order]
        batches.append((part, pointers(part)))
    best = np.inf
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _, read in batches:
            if library.closurax_convection(batch, levels, read, outputs):
                raise SystemExit("the scheme refuses these columns")
        best = min(best, time.thread_time() - start)
    with_convection = sum(
        float(np.sum(scalars[2] > 0))
        for _, read in batches
        if library.closurax_convection(batch, levels, read, outputs) == 0
    )
    count = batch * len(batches)
    return best / count * 1e6, with_convection / count


def time_of_jax(scheme, inputs, batch=1000):
    read = {q.name: jnp.asarray(inputs[q.name][:batch]) for q in scheme.reads}
    call = eqx.filter_jit(lambda scheme, read: jax.vmap(scheme.tendencies)(read))
    jax.block_until_ready(call(scheme, read))
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(call(scheme, read))
        seconds.append(time.perf_counter() - start)
    return min(seconds) / batch * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemes", nargs="+")
    parser.add_argument("--columns")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    inputs = columns_of(arguments.columns)
    titles = " | ".join(f"C, batches of {batch}" for batch in BATCHES)
    rows = [f"| scheme | {titles} | JAX, batches of 1000 |\n", "|---" * (len(BATCHES) + 2) + "|\n"]
    share = 0.0
    for path in arguments.schemes:
        scheme = surrogates.load(path)
        with tempfile.TemporaryDirectory() as folder:
            library = compiled(scheme, inputs, Path(folder))
            times = [time_of_c(scheme, library, inputs, batch) for batch in BATCHES]
        share = times[-1][1]
        numbers = " | ".join(f"{microseconds:.1f}" for microseconds, _ in times)
        rows.append(f"| {Path(path).stem} | {numbers} | {time_of_jax(scheme, inputs):.0f} |\n")
    note = (
        f"\nMicroseconds per column on one core, over {COLUMNS} columns of which {share:.0%} "
        f"have convection; float32, jax {jax.__version__}.\n"
    )
    text = "".join(rows) + note
    print(text, end="")
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text)


if __name__ == "__main__":
    main()

"""Time per column of a convection scheme: exported to C, and in JAX, on one core.

    taskset -c 0 python benchmarks/convection_export.py SCHEME.eqx [MORE.eqx ...] \
        [--columns FILE.nc] [--write]

Takes any convection scheme that closurax saved; one that cannot be exported has its time in JAX
only. The columns, and so the share of them without convection, are those of the file, or drawn
around the soundings that ship. Compiles with gcc; times are processor times of the calling
thread, each the best of several rounds.
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
from closurax.physics.column import PersistentConvection
from closurax.physics.column.convection import SCALARS, TENDENCIES
from closurax.physics.errors import ClosuraxError
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
    """The library, or nothing if the scheme cannot be exported."""
    try:
        export_c(scheme, folder, {name: values[:1024] for name, values in inputs.items()})
    except ClosuraxError as error:
        print(error)
        return None
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
    columns, levels = inputs["air_pressure"].shape
    outputs = [np.zeros((batch, levels), np.float32) for _ in TENDENCIES]
    outputs += [np.zeros(batch, np.float32) for _ in SCALARS]
    returned = pointers(outputs)
    batches = []
    for start in range(0, columns - batch + 1, batch):
        part = [
            np.ascontiguousarray(inputs[quantity.name][start : start + batch])
            for quantity in scheme.reads
        ]
        batches.append((part, pointers(part)))
    best = np.inf
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _, read in batches:
            if library.closurax_convection(batch, levels, read, returned):
                raise SystemExit("the scheme refuses these columns")
        best = min(best, time.thread_time() - start)
    return best / (batch * len(batches)) * 1e6


def time_in_jax(scheme, inputs, batch=1000):
    """Microseconds per column of the first batch, and the share of them with convection."""
    read = {q.name: jnp.asarray(inputs[q.name][:batch]) for q in scheme.reads}
    call = eqx.filter_jit(lambda scheme, read: jax.vmap(scheme.tendencies)(read))
    returned = jax.block_until_ready(call(scheme, read))
    share = float(jnp.mean(returned["convection_class"] > 0))
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(call(scheme, read))
        seconds.append(time.perf_counter() - start)
    return min(seconds) / batch * 1e6, share


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemes", nargs="+")
    parser.add_argument("--columns")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    inputs = columns_of(arguments.columns)
    titles = " | ".join(f"C, batches of {batch}" for batch in BATCHES)
    rows = [
        f"| scheme | {titles} | JAX, batches of 1000 | columns with convection |\n",
        "|---" * (len(BATCHES) + 3) + "|\n",
    ]
    for path in arguments.schemes:
        saved = surrogates.load(path)
        scheme = saved.scheme if isinstance(saved, PersistentConvection) else saved
        with tempfile.TemporaryDirectory() as folder:
            library = compiled(scheme, inputs, Path(folder))
            times = [
                f"{time_of_c(scheme, library, inputs, batch):.1f}" if library else "-"
                for batch in BATCHES
            ]
        in_jax, share = time_in_jax(scheme, inputs)
        rows.append(f"| {Path(path).stem} | {' | '.join(times)} | {in_jax:.0f} | {share:.0%} |\n")
    note = (
        f"\nMicroseconds per column on one core, over {len(inputs['air_pressure'])} columns; "
        f"float32, jax {jax.__version__}.\n"
    )
    text = "".join(rows) + note
    print(text, end="")
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text)


if __name__ == "__main__":
    main()

"""Time and memory of MgNO against the number of grid points.

    python benchmarks/operator_scaling.py --write

The released architecture with the boundary condition right, 24 channels and 5 layers, and 6 levels
whichever the grid, for one sample in single precision: a forward pass, and the gradient of a mean
square. Memory is what XLA allocates for intermediate results.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from timing import interleaved_medians

from closurax.surrogates.operators import MgNO

TABLE = Path(__file__).parents[1] / "docs" / "generated" / "operator_scaling.md"
SIZES = (32, 64, 128, 256, 512)


def measured(size: int, rounds: int) -> dict[str, float]:
    """Seconds and bytes of a forward pass and of a gradient."""
    parameters, static = eqx.partition(MgNO(key=jax.random.key(0)), eqx.is_inexact_array)
    fields = jax.random.normal(jax.random.key(1), (1, size, size))

    def forward(parameters, fields):
        return eqx.combine(parameters, static)(fields)

    def loss(parameters, fields):
        return jnp.mean(forward(parameters, fields) ** 2)

    found, runs = {}, {}
    for name, function in (("forward", forward), ("gradient", jax.grad(loss))):
        compiled = jax.jit(function).lower(parameters, fields).compile()
        found[f"{name}_bytes"] = float(compiled.memory_analysis().temp_size_in_bytes)
        runs[name] = lambda compiled=compiled: compiled(parameters, fields)
    seconds = interleaved_medians(runs, rounds)
    return {**found, **{f"{name}_seconds": value for name, value in seconds.items()}}


def exponent(name: str, found: dict[int, dict[str, float]], sizes: list[int]) -> float:
    """Of the number of points, by least squares over the logarithms."""
    values = [found[size][name] for size in sizes]
    return np.polyfit(2 * np.log(sizes), np.log(values), 1)[0].item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    found = {}
    for size in SIZES:
        found[size] = measured(size, arguments.rounds)
        print(size, found[size], flush=True)
    columns = ("forward_seconds", "gradient_seconds", "forward_bytes", "gradient_bytes")
    rows = [
        [f"{size} x {size}"]
        + [f"{1e3 * found[size][name]:.1f}" for name in columns[:2]]
        + [f"{found[size][name] / 2**20:.1f}" for name in columns[2:]]
        for size in SIZES
    ]
    larger = [size for size in SIZES if size >= 64]
    rows.append(
        ["exponent of the points, from 64 x 64"]
        + [f"{exponent(name, found, larger):.2f}" for name in columns]
    )
    text = (
        "| grid | forward, ms | gradient, ms | forward, MiB | gradient, MiB |\n"
        "| --- | --- | --- | --- | --- |\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    )
    print(text)
    if arguments.write:
        TABLE.write_text(text)


if __name__ == "__main__":
    main()

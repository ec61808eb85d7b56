"""What the Kain-Fritsch scheme costs, and how well it agrees with the scheme of WRF.

10,000 columns, float32, on one core, without other work on the machine:

    XLA_FLAGS=--xla_cpu_multi_thread_eigen=false taskset -c 1 \\
        python benchmarks/kain_fritsch.py --columns FILE --write

FILE holds columns with the results of the scheme of WRF; without it the columns are drawn around
the storm soundings that ship, and nothing is compared.
"""

import argparse
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from timing import interleaved_medians

from closurax import datasets
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch, convect_columns

FORTRAN = {"all": 20.0, "none": 8.0, "deep": 37.0, "shallow": 32.0}
"""Microseconds a column of the compiled Fortran scheme, measured elsewhere: not by this script."""
KINDS = ("none", "deep", "shallow")
TABLE = Path(__file__).parents[1] / "docs" / "generated" / "kain_fritsch.md"
PROFILES = {
    "potential temperature": "potential_temperature_tendency",
    "vapour": "vapour_tendency",
    "cloud water": "cloud_water_tendency",
    "cloud ice": "cloud_ice_tendency",
    "eastward wind": "eastward_wind_tendency",
    "northward wind": "northward_wind_tendency",
}


def agreement(
    expected: dict[str, np.ndarray], result: dict[str, np.ndarray]
) -> list[tuple[str, str]]:
    kind = expected["convection_class"]
    agreed = result["convection_class"] == kind
    deep, active = agreed & (kind == 1), agreed & (kind > 0)
    rain, reference = (of["precipitation_rate"][deep] for of in (result, expected))
    close = np.abs(rain - reference) <= 0.02 * reference + 1e-8
    rows = [
        ("same class", f"{agreed.mean():.2%} of {kind.size:,} columns"),
        ("deep rain within 2 %", f"{close.mean():.1%} of {close.size:,} columns"),
    ]
    for label, name in PROFILES.items():
        reference = expected[name][active]
        error = np.linalg.norm(result[name][active] - reference, axis=1)
        error = error / (np.linalg.norm(reference, axis=1) + 1e-12)
        rows.append((f"{label}, median relative error", f"{np.median(error):.1e}"))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=Path, help="netCDF with columns and their results")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--chunk", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    expected = None
    if arguments.columns is not None:
        with datasets.open_convection_columns(arguments.columns) as opened:
            dataset = opened.isel(column=slice(arguments.count)).load()
        columns, expected = datasets.column_inputs(dataset), datasets.column_targets(dataset)
    else:
        soundings, recipe = datasets.sars_soundings(), datasets.ColumnRecipe()
        columns = datasets.draw_columns(soundings, recipe, arguments.count, seed=0)
    inputs = {name: jnp.asarray(value) for name, value in columns.items()}
    scheme = MultiScaleKainFritsch()
    compacted = partial(convect_columns, scheme, chunk=arguments.chunk)
    result = {name: np.asarray(value) for name, value in compacted(inputs).items()}
    kinds = result["convection_class"].astype(int)
    runs = {
        "vmap": partial(jax.jit(jax.vmap(scheme.tendencies)), inputs),
        "all": partial(compacted, inputs),
    }
    for kind, name in enumerate(KINDS):
        # As many columns as there are in all, so that the numbers compare.
        (chosen,) = np.nonzero(kinds == kind)
        if chosen.size:
            chosen = np.resize(chosen, kinds.size)
            runs[name] = partial(compacted, {key: value[chosen] for key, value in inputs.items()})
    seconds = interleaved_medians(runs, rounds=arguments.rounds)
    cost = {name: value / kinds.size * 1e6 for name, value in seconds.items()}
    table = "| columns | share | µs a column | Fortran (a constant) |\n|---|---|---|---|\n"
    for name in ("all", *KINDS):
        if name in cost:
            share = 1.0 if name == "all" else (kinds == KINDS.index(name)).mean()
            table += f"| {name} | {share:.0%} | {cost[name]:.0f} | {FORTRAN[name]:.0f} |\n"
    table += f"| all, by `vmap` | 100% | {cost['vmap']:.0f} | |\n"
    note = (
        f"\n{kinds.size:,} columns of {inputs['air_pressure'].shape[1]} levels, float32, one core, "
        f"`convect_columns` in chunks of {arguments.chunk}; jax {jax.__version__}, medians of "
        f"{arguments.rounds} interleaved rounds. The Fortran figures are constants from "
        "measurements of the compiled scheme elsewhere, not of this run.\n"
    )
    if expected is not None:
        note += "\n| agreement with the scheme of WRF | |\n|---|---|\n"
        note += "".join(f"| {a} | {b} |\n" for a, b in agreement(expected, result))
    print(table + note)
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(table + note)


if __name__ == "__main__":
    main()

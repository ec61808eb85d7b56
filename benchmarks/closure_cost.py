"""What a closure adds to a time step of the turbulence model, relative to no closure.

ETDRK4 through diffrax, float32, one member, 64 x 64 points, in one process and one run:

    python benchmarks/closure_cost.py --write
"""

import argparse
from functools import partial
from pathlib import Path

import diffrax
import jax
import jax.numpy as jnp
from timing import interleaved_medians

from closurax import datasets, surrogates
from closurax.physics import closures
from closurax.physics.solvers import ETDRK4, OncePerStep
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity

DT, STEPS = 0.01, 50
TABLE = Path(__file__).parents[1] / "docs" / "generated" / "closure_cost.md"


def schemes(grid, pairs):
    linear = surrogates.SpectralEddyViscosity.fit(
        pairs["vorticity"].values, pairs["subgrid_tendency"].values, grid
    )
    key = jax.random.key(0)
    return {
        "none": None,
        "Smagorinsky": closures.Smagorinsky(),
        "Leith": closures.Leith(),
        "dynamic Smagorinsky": closures.DynamicSmagorinsky(),
        "dynamic Leith": closures.DynamicLeith(),
        "Jansen-Held": closures.JansenHeldBackscatter(),
        "gradient model, 2nd order": closures.GradientModel(2),
        "gradient model, 4th order": closures.GradientModel(4),
        "learned: spectral eddy viscosity": linear,
        "learned: convolutions 4 x 16": surrogates.ConvolutionalClosure(16, 4, key=key),
        "learned: convolutions 10 x 64": surrogates.ConvolutionalClosure(64, 10, key=key),
    }


def every_stage(model, state):
    return _solve(model.terms(), ETDRK4(), state)


def every_step(model, state):
    return _solve(model.once_per_step_terms(), OncePerStep(ETDRK4()), (state, {"subgrid": None}))


def _solve(terms, solver, state):
    times = jnp.linspace(0.0, STEPS * DT, STEPS + 1)
    control = diffrax.StepTo(times)
    return diffrax.diffeqsolve(
        terms, solver, times[0], times[-1], None, state,
        stepsize_controller=control, max_steps=None,
    ).ys  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    grid = SpectralGrid(64)
    pairs = datasets.training_pairs()
    model = BarotropicVorticity(grid)
    state = model.initial_state(pairs["vorticity"].values[0])
    runs = {}
    for name, scheme in schemes(grid, pairs).items():
        coupled = model.replace(subgrid=scheme)
        runs[name, "every stage"] = partial(jax.jit(partial(every_stage, coupled)), state)
        if scheme is not None:
            runs[name, "every step"] = partial(jax.jit(partial(every_step, coupled)), state)
    medians = interleaved_medians(runs, rounds=11)
    bare = medians["none", "every stage"]
    rows = []
    for name, called in medians:
        if called == "every stage" and name != "none":
            stage, step = medians[name, called] / bare, medians[name, "every step"] / bare
            shares = f"{1 - 1 / stage:.0%} | {1 - 1 / step:.0%}"
            rows.append(f"| {name} | {stage:.2f} | {step:.2f} | {shares} |\n")
            print(rows[-1], end="", flush=True)
    header = (
        "| closure | step time, called every stage | called every step "
        "| its share, every stage | every step |\n|---|---|---|---|---|\n"
    )
    note = (
        f"\nStep time relative to no closure, which takes {bare / STEPS * 1e6:.0f} µs a step of "
        f"four stages; jax {jax.__version__}, float32; medians of 11 interleaved rounds.\n"
    )
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(header + "".join(rows) + note)


if __name__ == "__main__":
    main()

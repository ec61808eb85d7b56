"""Time per right-hand side of two-dimensional turbulence, in units of one rfft2/irfft2 pair.

Compares closurax (through diffrax) with the transforms alone, exponax and jax-cfd, float32, in
one process and one run:

    pip install '.[bench]' && python benchmarks/right_hand_side.py --write
"""

import argparse
import warnings
from functools import partial
from pathlib import Path

import diffrax
import exponax
import jax
import jax.numpy as jnp
import jax_cfd.base.grids as cfd_grids
import jax_cfd.spectral as cfd
from timing import interleaved_medians

from closurax.physics.solvers import ETDRK2, ETDRK4, IFRK4
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, random_vorticity

DT = 1e-4
STEPS = {64: 100, 128: 30, 256: 10}
STAGES = {
    "closurax ETDRK4": 4,
    "closurax ETDRK2": 2,
    "closurax IFRK4": 4,
    "closurax IFRK4, plain scan": 4,
    "exponax ETDRK4": 4,
    "exponax ETDRK2": 2,
    "jax-cfd CN-RK4": 5,
}
TABLE = Path(__file__).parents[1] / "docs" / "generated" / "right_hand_side.md"


def transforms(field, steps):
    def pair(_, field):
        return jnp.fft.irfft2(jnp.fft.rfft2(field))

    return jax.lax.fori_loop(0, steps, pair, field)


def closurax_run(model, solver, state, steps):
    times = jnp.linspace(0.0, steps * DT, steps + 1)
    return diffrax.diffeqsolve(
        model.terms(),
        solver,
        times[0],
        times[-1],
        None,
        state,
        stepsize_controller=diffrax.StepTo(times),
        max_steps=None,
    ).ys


def closurax_scan(model, state, steps):
    solver, terms, h = IFRK4(), model.terms(), jnp.float32(DT)
    cached = solver.init(terms, jnp.float32(0), h, state, None)[1]
    nonlinear = partial(terms.terms[0].vf, args=None)

    def step(_, state):
        return solver.advance(cached, nonlinear, jnp.float32(0), h, h, state)

    return jax.lax.fori_loop(0, steps, step, state)


def exponax_run(stepper, field, steps):
    return jax.lax.fori_loop(0, steps, lambda _, u: stepper.step_fourier(u), field)


def jax_cfd_run(step, field_hat, steps):
    return jax.lax.fori_loop(0, steps, lambda _, u: step(u), field_hat)


def candidates(size):
    grid = SpectralGrid(size)
    vorticity = random_vorticity(grid, jax.random.key(0))
    model = BarotropicVorticity(grid)
    state = model.initial_state(vorticity)
    steps = STEPS[size]

    def exponax_stepper(order):
        return exponax.stepper.KolmogorovFlowVorticity(
            2, grid.length_x, size, DT, diffusivity=5e-5, drag=-0.1, order=order
        )

    field_hat = jnp.fft.rfft2(vorticity)
    cfd_grid = cfd_grids.Grid((size, size), domain=((0, grid.length_x),) * 2)
    cfd_step = cfd.time_stepping.crank_nicolson_rk4(
        cfd.equations.ForcedNavierStokes2D(5e-5, cfd_grid, smooth=True), DT
    )
    runs = {
        "transforms": (transforms, (vorticity,), 1),
        "closurax ETDRK4": (partial(closurax_run, model, ETDRK4()), (state,), 4),
        "closurax ETDRK2": (partial(closurax_run, model, ETDRK2()), (state,), 2),
        "closurax IFRK4": (partial(closurax_run, model, IFRK4()), (state,), 4),
        "closurax IFRK4, plain scan": (partial(closurax_scan, model), (state,), 4),
        "exponax ETDRK4": (partial(exponax_run, exponax_stepper(4)), (field_hat[None],), 4),
        "exponax ETDRK2": (partial(exponax_run, exponax_stepper(2)), (field_hat[None],), 2),
        "jax-cfd CN-RK4": (partial(jax_cfd_run, cfd_step), (field_hat,), 5),
    }
    return {
        name: partial(jax.jit(run, static_argnums=len(arguments)), *arguments, steps)
        for name, (run, arguments, _) in runs.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="jax_cfd")
    pairs = {}
    for size, steps in STEPS.items():
        medians = interleaved_medians(candidates(size))
        pair = medians["transforms"] / steps
        print(f"{size}: one transform pair takes {pair * 1e6:.1f} us", flush=True)
        for name, stages in STAGES.items():
            pairs[name, size] = medians[name] / steps / stages / pair
            print(f"{size}: {name:28s} {pairs[name, size]:.2f} pairs", flush=True)
    columns = " | ".join(f"{size}²" for size in STEPS)
    header = f"| time per right-hand side, in transform pairs | {columns} |\n|---|---|---|---|\n"
    rows = [
        f"| {name} | " + " | ".join(f"{pairs[name, size]:.2f}" for size in STEPS) + " |\n"
        for name in STAGES
    ]
    note = (
        f"\njax {jax.__version__}, exponax {exponax.__version__}, float32, "
        f"{jax.devices()[0].device_kind}; medians of 31 interleaved rounds.\n"
    )
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(header + "".join(rows) + note)


if __name__ == "__main__":
    main()

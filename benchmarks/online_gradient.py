"""What gradients through running turbulence cost, how much they hold, and when they explode.

python benchmarks/online_gradient.py --write
"""

import argparse
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from timing import interleaved_medians

from closurax import datasets
from closurax.physics.closures import JansenHeldBackscatter, Leith
from closurax.physics.coupling import Sum
from closurax.physics.solvers import ETDRK4
from closurax.physics.spectral import SpectralGrid, coarsen
from closurax.surrogates import ScaledSpectralViscosity
from closurax.surrogates.training import SpectrumLoss

TABLE = Path(__file__).parents[1] / "docs" / "generated" / "online_gradient.md"
SIZES = {32: 0.02, 48: 0.02, 64: 0.015}
MEMBERS, STEPS = 8, 50
HORIZON, HORIZON_SIZE = 500, 64
WINDOWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def closures():
    jansen_held = JansenHeldBackscatter(jnp.asarray(0.007), jnp.asarray(0.85))
    return {
        "none": None,
        "Leith": Leith(jnp.asarray(0.3)),
        "Jansen-Held": jansen_held,
        "learned, 10 parameters": Sum(jansen_held, ScaledSpectralViscosity.uniform(0.0, 8)),
    }


def case(size):
    """The model on a grid of `size` points, and snapshots of the DNS on it."""
    grid = SpectralGrid(size)
    shipped = jnp.asarray(datasets.turbulence_case("kf4")["vorticity"].values[:MEMBERS])
    snapshots = coarsen(shipped, SpectralGrid(shipped.shape[-1]), grid)
    return datasets.case_flow("kf4", grid), snapshots


def forward(closure, model, states, dt, steps, save_every):
    """The states of all members at the saves."""

    def run(state):
        return model.replace(subgrid=closure).trajectory(
            state,
            steps * dt,
            save_every=save_every,
            dt=dt,
            solver=ETDRK4(),
            schemes_called="every step",
        )[0][1:]

    return jax.vmap(run)(states)


def costs():
    """Rows of forward steps a second, and of the time of a gradient relative to them."""
    rows = []
    for size, dt in SIZES.items():
        model, snapshots = case(size)
        states = model.initial_state(snapshots)
        loss = SpectrumLoss.from_snapshots(np.asarray(snapshots), model.grid)
        advance = partial(
            forward, model=model, states=states, dt=dt, steps=STEPS, save_every=STEPS // 5 * dt
        )
        candidates = {}
        for name, closure in closures().items():
            candidates[name, "forward"] = partial(eqx.filter_jit(advance), closure)
            if closure is not None:
                gradient = eqx.filter_jit(
                    eqx.filter_value_and_grad(
                        lambda c, advance=advance, loss=loss: loss(advance(c))
                    )
                )
                candidates[name, "gradient"] = partial(gradient, closure)
        medians = interleaved_medians(candidates, rounds=9)
        for name in closures():
            ahead = medians[name, "forward"]
            back = medians.get((name, "gradient"))
            ratio = f"{back / ahead:.1f}" if back else ""
            rows.append(f"| {size} | {name} | {MEMBERS * STEPS / ahead:.2g} | {ratio} |")
            print(rows[-1], flush=True)
    return rows


def memory():
    """Bytes that a gradient through `HORIZON` steps of one member keeps and works in."""
    model, snapshots = case(HORIZON_SIZE)
    states = model.initial_state(snapshots[:1])
    loss = SpectrumLoss.from_snapshots(np.asarray(snapshots), model.grid)
    dt = SIZES[HORIZON_SIZE]

    def objective(fraction):
        closure = JansenHeldBackscatter(jnp.asarray(0.007), fraction)
        return loss(forward(closure, model, states, dt, HORIZON, HORIZON * dt))

    compiled = jax.jit(jax.grad(objective)).lower(jnp.asarray(0.85)).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def explosion():
    """For each window the derivative of the loss of its last state by the logarithm of the
    viscosity: root mean square over members, which each have a loss of their own."""
    model, snapshots = case(48)
    states, dt = model.initial_state(snapshots), SIZES[48]
    loss = SpectrumLoss.from_snapshots(np.asarray(snapshots), model.grid)
    rows = []

    @partial(jax.jit, static_argnames="steps")
    def derivatives(states, steps):
        def of_member(factor, state):
            closure = JansenHeldBackscatter(0.007 * factor, jnp.asarray(0.85))
            return loss(forward(closure, model, state[None], dt, steps, steps * dt))

        return jax.vmap(jax.value_and_grad(of_member), (None, 0))(jnp.ones(()), states)

    for window in WINDOWS:
        losses, gradients = derivatives(states, round(window / dt))
        size = float(jnp.sqrt(jnp.mean(gradients**2)))
        rows.append(f"| {window:g} | {float(jnp.mean(losses)):.3f} | {size:.2g} |")
        print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    growth = "\n".join(explosion())
    megabytes = memory() / 1e6
    print(f"{megabytes:.0f} MB", flush=True)
    table = "\n".join(costs())
    text = (
        "| points | closure | steps per second | gradient / forward |\n|---|---|---|---|\n"
        f"{table}\n\n"
        f"ETDRK4, closure once a step, {MEMBERS} members side by side, {STEPS} steps, float32; "
        f"jax {jax.__version__}; medians of 9 interleaved rounds. A step of one member counts "
        f"once. A gradient through {HORIZON} steps at {HORIZON_SIZE} x {HORIZON_SIZE} points works "
        f"in {megabytes:.0f} MB.\n\n"
        "| window, s | loss of the last state | its derivative |\n"
        "|---|---|---|\n"
        f"{growth}\n\n"
        "The derivative is by the logarithm of the viscosity of Jansen and Held: root mean square "
        f"over {MEMBERS} members, each with a loss of its own, at 48 x 48 points.\n"
    )
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

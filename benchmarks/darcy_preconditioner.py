"""Preconditioners of conjugate gradients for Darcy flow: steps and time of a solve.

`python benchmarks/darcy_preconditioner.py --write` trains the learned V-cycle on random
coefficients of 32 x 32 cells, and solves with it and with others on unseen ones, on finer grids,
to a relative residual of 1e-6, in double precision.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax
import scipy.sparse.linalg
from timing import interleaved_medians
from tqdm import trange

from closurax.physics.pdes import (
    ConjugateGradients,
    Darcy,
    DiffusionOperator,
    GeometricMultigrid,
    cell_centres,
    smooth_two_valued,
)
from closurax.surrogates.operators import VCyclePreconditioner

TABLE = Path(__file__).parents[1] / "docs" / "generated" / "darcy_preconditioner.md"
TRAINING_SIZE, TRAINING_SAMPLES, BATCH, UNROLLED = 32, 512, 4, 6
SIZES = (64, 128, 256)
TOLERANCE = 1e-6
CONTRASTS = {"12 and 3": (12.0, 3.0), "100 and 1": (100.0, 1.0)}


def coefficients(count: int, size: int, seed: int, above, below) -> jax.Array:
    """`above` and `below` may be an array each, with a value for each sample."""
    points, draw = cell_centres(size), smooth_two_valued()
    keys = jax.random.split(jax.random.key(seed), count)
    is_above = jax.vmap(lambda key: draw(points, points, key=key))(keys) == draw.above
    above, below = (
        jnp.broadcast_to(jnp.asarray(value, float), (count,))[:, None, None]
        for value in (above, below)
    )
    return jnp.where(is_above, above, below)


def training_coefficients(random_contrast: bool) -> jax.Array:
    above, below = CONTRASTS["12 and 3"]
    if random_contrast:
        # From 1/50 to 50, so that either phase may be the permeable one.
        logarithm = np.random.default_rng(0).uniform(-1, 1, TRAINING_SAMPLES) * np.log(50)
        above, below = np.exp(logarithm), 1.0
    return coefficients(TRAINING_SAMPLES, TRAINING_SIZE, 1, above, below)


def log_rate(preconditioner: VCyclePreconditioner, a: jax.Array, f: jax.Array) -> jax.Array:
    """The mean logarithm of the residual's reduction in some steps of conjugate gradients."""
    operator, correct = DiffusionOperator(a, a), preconditioner(a)

    def advance(carry, _):
        residual, direction, product = carry
        correction = correct(residual)
        new_product = jnp.sum(residual * correction)
        direction = correction + new_product / product * direction
        image = operator(direction)
        residual = residual - new_product / jnp.sum(direction * image) * image
        return (residual, direction, new_product), None

    start = (f, jnp.zeros_like(f), jnp.ones((), f.dtype))
    (residual, _, _), _ = jax.lax.scan(advance, start, length=UNROLLED)
    return 0.5 * jnp.log(jnp.sum(residual**2) / jnp.sum(f**2)) / UNROLLED


def train(model: VCyclePreconditioner, samples: jax.Array, steps: int) -> VCyclePreconditioner:
    schedule = optax.cosine_onecycle_schedule(steps, 6e-3)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))
    state = optimiser.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def step(model, state, a, f):
        def loss(model):
            return jnp.mean(jax.vmap(partial(log_rate, model))(a, f))

        value, gradient = eqx.filter_value_and_grad(loss)(model)
        updates, state = optimiser.update(gradient, state)
        return eqx.apply_updates(model, updates), state, value

    rng = np.random.default_rng(0)
    bar = trange(steps)
    for _ in bar:
        a = samples[rng.integers(0, len(samples), BATCH)]
        # White noise, and the constant of the problem.
        f = rng.standard_normal(a.shape).astype(a.dtype)
        f[: BATCH // 2] = 1
        model, state, value = step(model, state, a, jnp.asarray(f))
        bar.set_postfix(log_rate=f"{float(value):.2f}")
    return model


def by_conjugate_gradients(make: Callable) -> Callable:
    """A solve whose preconditioner `make` makes of a coefficient; it returns the steps."""
    solver = ConjugateGradients(rtol=TOLERANCE, max_steps=10_000)

    @jax.jit
    def solve(a):
        return solver(DiffusionOperator(a, a), make(a), jnp.ones_like(a))

    return lambda a: solve(a)[1]


def by_incomplete_factors(a: jax.Array) -> int:
    matrix = Darcy(len(a)).matrix(a)
    factors = scipy.sparse.linalg.spilu(matrix, drop_tol=1e-4, fill_factor=20)
    inverse = scipy.sparse.linalg.LinearOperator(matrix.shape, factors.solve)
    seen: list[float] = []
    _, failed = scipy.sparse.linalg.gmres(
        matrix, np.ones(a.size), M=inverse, rtol=TOLERANCE, restart=50, maxiter=20,
        callback=seen.append, callback_type="pr_norm",
    )  # fmt: skip
    if failed:
        raise RuntimeError("GMRES with incomplete factors did not converge.")
    return len(seen)


def by_direct_solver(a: jax.Array) -> int:
    Darcy(len(a)).solve_sparse(np.asarray(a))
    return 0


def poisson(a: jax.Array) -> Callable:
    """The multigrid cycle of the Poisson equation, which knows no coefficient."""
    return GeometricMultigrid(jnp.ones_like(a))


def scaled_poisson(a: jax.Array) -> Callable:
    cycle, scale = poisson(a), a**-0.5
    return lambda residual: scale * cycle(scale * residual)


def diagonal(a: jax.Array) -> Callable:
    inverse = 1 / DiffusionOperator(a, a).diagonal()
    return lambda residual: inverse * residual


def in_double(model: VCyclePreconditioner) -> VCyclePreconditioner:
    return jtu.tree_map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=800, help="of each of two trainings")
    parser.add_argument("--channels", type=int, default=6)
    parser.add_argument("--samples", type=int, default=8, help="unseen coefficients on each grid")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    untrained = VCyclePreconditioner(arguments.channels, key=jax.random.key(0))
    started = time.perf_counter()
    learned, robust = (
        train(untrained, training_coefficients(random_contrast), arguments.steps)
        for random_contrast in (False, True)
    )
    minutes = (time.perf_counter() - started) / 60
    with jax.enable_x64(True):
        untrained, learned, robust = map(in_double, (untrained, learned, robust))
        solvers = {
            "none": by_conjugate_gradients(lambda a: lambda residual: residual),
            "diagonal": by_conjugate_gradients(diagonal),
            "incomplete LU of scipy, GMRES": by_incomplete_factors,
            "multigrid of $-\\nabla^2$": by_conjugate_gradients(poisson),
            "$a^{-1/2}$, multigrid of $-\\nabla^2$, $a^{-1/2}$": by_conjugate_gradients(
                scaled_poisson
            ),
            "V-cycle, untrained": by_conjugate_gradients(untrained),
            "V-cycle, trained on 12 and 3": by_conjugate_gradients(learned),
            "V-cycle, trained on contrasts to 50": by_conjugate_gradients(robust),
            "geometric multigrid with $a$": by_conjugate_gradients(GeometricMultigrid),
            "sparse direct solver, for comparison": by_direct_solver,
        }
        steps: dict[str, list[str]] = {name: [] for name in solvers}
        times: dict[str, list[str]] = {name: [] for name in solvers}
        for values in CONTRASTS.values():
            for size in SIZES:
                samples = coefficients(arguments.samples, size, 2, *values)
                for name, solver in solvers.items():
                    found = np.mean([float(solver(a)) for a in samples])
                    steps[name].append(f"{found:.1f}" if found else "")
                    print(values, size, name, steps[name][-1], flush=True)
                if values == CONTRASTS["12 and 3"]:
                    seconds = interleaved_medians(
                        {name: partial(solver, samples[0]) for name, solver in solvers.items()},
                        rounds=arguments.rounds,
                    )
                    for name, value in seconds.items():
                        times[name].append(f"{1e3 * value:.3g}")
    table = "| preconditioner |" + "".join(
        f" {size}², {what} |"
        for what in ("steps", "ms", *(f"steps, {name}" for name in list(CONTRASTS)[1:]))
        for size in SIZES
    )
    table += "\n|---|" + "---|" * 9 + "\n"
    for name in solvers:
        count = len(SIZES)
        row = steps[name][:count] + times[name] + steps[name][count:]
        table += f"| {name} | " + " | ".join(row) + " |\n"
    table += (
        f"\nMeans over {arguments.samples} unseen coefficients, 12 and 3 where nothing else is "
        f"said; {arguments.channels} channels, two trainings of {arguments.steps} steps on "
        f"{TRAINING_SIZE} x {TRAINING_SIZE} cells, {minutes:.1f} minutes together. Times are of a "
        "whole solve of one coefficient with all that it prepares, "
        f"medians of {arguments.rounds} interleaved rounds, in double precision on "
        f"{jax.devices()[0].device_kind}; jax {jax.__version__}.\n"
    )
    print(table)
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(table)


if __name__ == "__main__":
    main()

"""The coefficient of Darcy flow from noisy pressures: the adjoint of the solver beside surrogates.

closurax run benchmarks/darcy.toml --set data.training=darcy_smooth_64_train.nc --out runs/darcy
python benchmarks/darcy_inversion.py runs/darcy --write

Compares the gradients of the misfit, inverts for a few unseen samples, and times the gradients,
in five minutes of processor time. The run has the coefficients of `smooth_two_valued`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from results import DOCS, table
from scipy.optimize import minimize
from timing import interleaved_medians

from closurax import surrogates
from closurax.physics.pdes import ConjugateGradients, CosineModes, Darcy, smooth_two_valued
from closurax.report import look, save_png

SURROGATES = ("mgno", "fno", "unet")
MODES = 16
OBSERVATIONS = 100
NOISE = 0.01
WIDTHS = (1.0, 0.3, 0.1, 0.03)
WIDTH = 0.1
STEPS = 100
BATCH = 16


class LevelSet(eqx.Module):
    r"""$a = a_0 + (a_1 - a_0) / (1 + e^{-\varphi / w})$ with a smooth random field $\varphi$.

    $\varphi$ is the field whose sign is the coefficient of the run, with as many modes along
    each axis as `xi` and unit variance. For standard normal `xi` and small widths $w$ the
    coefficients are distributed like those of the run.
    """

    modes: np.ndarray
    spread: np.ndarray
    below: float = 3.0
    above: float = 12.0

    def __init__(self, points: np.ndarray):
        self.modes = CosineModes(MODES).at(points)
        field = smooth_two_valued().field
        squared = field.modes.wavenumbers() ** 2
        spread = (np.add.outer(squared, squared) + field.tau**2) ** (-field.alpha / 2)
        spread[0, 0] = 0.0
        self.spread = spread[:MODES, :MODES] / np.linalg.norm(spread)

    def level(self, xi):
        modes, spread = (jnp.asarray(array, xi.dtype) for array in (self.modes, self.spread))
        return modes @ (spread * xi) @ modes.T

    def __call__(self, xi, width):
        return self.below + (self.above - self.below) * jax.nn.sigmoid(self.level(xi) / width)

    def two_valued(self, xi):
        level = self.level(xi)
        return jnp.where(level >= 0, self.above, self.below).astype(level.dtype)

    def project(self, slope):
        """What a change of each mode does through a change of the coefficient in its shape."""
        return self.spread * (self.modes.T @ np.asarray(slope, float) @ self.modes)


class Case(NamedTuple):
    """A true coefficient and pressure, and where and what of the pressure is observed."""

    a: np.ndarray
    u: np.ndarray
    cells: np.ndarray
    observed: np.ndarray
    scale: np.ndarray  # root mean square of the observed pressures

    @classmethod
    def draw(cls, a: np.ndarray, u: np.ndarray, seed: int) -> "Case":
        rng = np.random.default_rng(seed)
        cells = rng.choice(u.size, OBSERVATIONS, replace=False)
        exact = u.ravel()[cells]
        scale = np.sqrt(np.mean(exact**2))
        observed = exact + NOISE * scale * rng.standard_normal(OBSERVATIONS)
        return cls(a, u, cells, observed.astype(u.dtype), scale)

    def misfit(self, u):
        """The relative mean square of what is observed less what is computed."""
        return jnp.mean((u.ravel()[self.cells] - self.observed) ** 2) / self.scale**2


Solution = Callable[[jax.Array], jax.Array]


def surrogate(path: Path) -> Solution:
    learned = surrogates.load(path)
    return lambda a: learned(a[None])[0]


def posterior(solution: Solution, level_set: LevelSet, error: float):
    """Minus the logarithm of the posterior density of the modes, and its gradient.

    The errors of the observations and of the model, both relative, are taken for independent.
    """

    def objective(xi, case, width):
        misfit = case.misfit(solution(level_set(xi, width)))
        scaled = OBSERVATIONS * misfit / (NOISE**2 + error**2)
        return 0.5 * scaled + 0.5 * jnp.sum(xi**2)

    return jax.value_and_grad(objective)


def minimised(value_and_slope, start: np.ndarray, steps: int = STEPS):
    """The minimum that L-BFGS finds, and the values of all evaluations on the way."""
    values = []

    def flat(xi):
        value, slope = value_and_slope(np.asarray(xi.reshape(start.shape), np.float32))
        values.append(float(value))
        return float(value), np.asarray(slope, float).ravel()

    options = {"maxiter": steps, "ftol": 1e-5, "gtol": 1e-2, "maxcor": 20}
    found = minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape).astype(np.float32), np.asarray(values)


def closest(level_set: LevelSet, a: np.ndarray) -> np.ndarray:
    """The modes that the coefficient itself is most probable for: a logistic regression."""

    def objective(xi, above):
        level = level_set.level(xi) / WIDTH
        surprise = jax.nn.softplus(jnp.where(above, -level, level))
        return jnp.sum(surprise) + 0.5 * jnp.sum(xi**2)

    function = jax.jit(jax.value_and_grad(objective))
    above = a > 0.5 * (level_set.below + level_set.above)
    return minimised(lambda xi: function(xi, above), np.zeros((MODES, MODES)))[0]


def relative(found, true) -> float:
    found, true = np.asarray(found, float), np.asarray(true, float)
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def cosine(found, true) -> float:
    found, true = np.asarray(found, float), np.asarray(true, float)
    return float(np.vdot(found, true) / np.linalg.norm(found) / np.linalg.norm(true))


def mean_and_worst(values, form: str, scale: float = 1.0, worst=max) -> str:
    return f"{scale * np.mean(values):{form}} ({scale * worst(values):{form}})"


def starts(level_set: LevelSet, cases: list[Case]) -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((2, len(cases), MODES, MODES)).astype("f4")
    near = [
        np.float32(np.sqrt(1 - 0.2**2)) * closest(level_set, case.a) + np.float32(0.2) * draw
        for case, draw in zip(cases, draws[0], strict=True)
    ]
    return {"near": near, "far": list(draws[1])}


def adjoint_against_differences(level_set: LevelSet, cases: list[Case], chosen) -> float:
    """The largest relative difference of directional derivatives, in double precision."""
    with jax.enable_x64(True):
        solve = Darcy(len(level_set.modes), solver=ConjugateGradients(rtol=1e-13)).solve

        @jax.jit
        def misfit(a, case):
            return case.misfit(solve(a))

        slope_of = jax.jit(jax.grad(misfit))
        differences = []
        for case, xi in zip(cases, chosen, strict=True):
            a = level_set(jnp.asarray(xi, float), WIDTH)
            # Along another coefficient, so that the derivative is not lost in rounding.
            direction = 1e-4 * (jnp.asarray(case.a, float) - a)
            difference = (misfit(a + direction, case) - misfit(a - direction, case)) / 2
            differences.append(relative(jnp.vdot(slope_of(a, case), direction), difference))
        return max(differences)


def gradient_tables(solutions, level_set, cases, begun) -> str:
    def slopes(solution):
        def misfit(a, case):
            u = solution(a)
            return case.misfit(u), u

        with_pressure = jax.jit(jax.value_and_grad(misfit, has_aux=True))

        @jax.jit
        def to_modes(xi, width, slope):
            return jax.vjp(lambda xi: level_set(xi, width), xi)[1](slope)[0]

        def evaluate(xi, width, case):
            a = level_set.two_valued(xi) if width is None else level_set(xi, width)
            (_, u), slope = with_pressure(a, case)
            if width is None:
                return u, slope, level_set.project(slope)
            return u, slope, to_modes(xi, np.float32(width), slope)

        return evaluate

    functions = {name: slopes(solution) for name, solution in solutions.items()}
    cosines, errors = [], []
    for place, chosen in begun.items():
        for width in (*WIDTHS, None):
            found = {
                name: [
                    function(jnp.asarray(xi), width, case)
                    for xi, case in zip(chosen, cases, strict=True)
                ]
                for name, function in functions.items()
            }
            true = found["solver"]
            row = [place, "two values" if width is None else f"{width:g}"]
            alike, apart = list(row), list(row)
            for name in SURROGATES:
                pairs = list(zip(found[name], true, strict=True))
                for part in (1, 2):
                    values = [cosine(here[part], there[part]) for here, there in pairs]
                    alike.append(mean_and_worst(values, ".2f", worst=min))
                for part in (0, 1, 2):
                    values = [relative(here[part], there[part]) for here, there in pairs]
                    apart.append(f"{100 * np.mean(values):.{1 if part == 0 else 0}f}")
            cosines.append(alike)
            errors.append(apart)
    parts = ("cells", "modes")
    header = ["cosine", "width", *(f"{look(n).label}, {p}" for n in SURROGATES for p in parts)]
    text = table(header, cosines)
    parts = ("pressure", "cells", "modes")
    header = ["error, %", "width", *(f"{look(n).label}, {p}" for n in SURROGATES for p in parts)]
    return text + "\n" + table(header, errors)


def inversions(solutions, level_set, cases, errors):
    """Rows of a table, and the coefficients by method and case."""
    solve = jax.jit(solutions["solver"])
    functions = {
        name: jax.jit(posterior(solution, level_set, errors[name]))
        for name, solution in solutions.items()
    }
    zero = np.zeros((MODES, MODES), np.float32)
    width = np.float32(WIDTH)
    for function in functions.values():
        jax.block_until_ready(function(zero, cases[0], width))
    scores: dict[str, list] = {}
    found: dict[str, list] = {}

    def note(method, case, xi, solves=0, good=np.nan, surrogate=0, seconds=0.0):
        two_valued = np.asarray(level_set.two_valued(jnp.asarray(xi)))
        pressures = [solve(level_set(jnp.asarray(xi), WIDTH)), solve(jnp.asarray(two_valued))]
        missed = np.mean(two_valued != case.a)
        scores.setdefault(method, []).append(
            (missed, *(relative(u, case.u) for u in pressures), solves, good, surrogate, seconds)
        )
        found.setdefault(method, []).append(two_valued)

    def invert(name, case, start):
        begin = time.perf_counter()
        xi, values = minimised(lambda xi: functions[name](xi, case, width), start)
        return xi, values, time.perf_counter() - begin

    def until(values, good):
        reached = values <= good
        return 1 + np.argmax(reached) if reached.any() else np.nan

    for case in cases:
        note("prior mean", case, zero)
        note("truth on the modes", case, closest(level_set, case.a))
        xi, values, seconds = invert("solver", case, zero)
        good = 1.1 * values.min()
        note("solver", case, xi, len(values), until(values, good), seconds=seconds)
        for name in SURROGATES:
            xi, values, seconds = invert(name, case, zero)
            note(name, case, xi, surrogate=len(values), seconds=seconds)
            count = len(values)
            xi, values, more = invert("solver", case, xi)
            method = f"{name}, then the solver"
            note(method, case, xi, len(values), until(values, good), count, seconds + more)
    rows = []
    for method in scores:
        missed, blurred, sharp, solves, good, surrogate, seconds = np.transpose(scores[method])
        reached = good[np.isfinite(good)]
        rows.append(
            [
                label(method),
                mean_and_worst(missed, ".1f", 100),
                mean_and_worst(blurred, ".1f", 100),
                mean_and_worst(sharp, ".1f", 100),
                f"{np.mean(solves):.0f}" if any(solves) else "",
                f"{np.mean(reached):.0f} ({len(reached)} of {len(good)})" if len(reached) else "",
                f"{np.mean(surrogate):.0f}" if any(surrogate) else "",
                f"{np.mean(seconds):.2f}" if any(seconds) else "",
            ]
        )
    return rows, found


def label(method: str) -> str:
    name, comma, rest = method.partition(",")
    return f"{look(name).label if name in SURROGATES else name}{comma}{rest}"


def timings(solutions, level_set, cases, errors, refinement: int) -> list[list[str]]:
    points = len(level_set.modes)
    fine = Darcy(points * refinement)

    def refined(a):
        a = jnp.repeat(jnp.repeat(a, refinement, axis=0), refinement, axis=1)
        centres = slice(refinement // 2, None, refinement)
        return fine.solve(a)[centres, centres]

    xi = np.random.default_rng(1).standard_normal((BATCH, MODES, MODES)).astype("f4")
    batch = Case(*(np.stack(parts) for parts in zip(*cases, strict=True)))
    repeated = [index % len(cases) for index in range(BATCH)]
    batch = jax.tree.map(lambda array: array[np.asarray(repeated)], batch)
    one = jax.tree.map(lambda array: array[0], batch)
    width = np.float32(WIDTH)
    single, batched = {}, {}
    for name, solution in {**solutions, "refined": refined}.items():
        function = posterior(solution, level_set, errors.get(name, 0.0))
        alone, together = jax.jit(function), jax.jit(jax.vmap(function, (0, 0, None)))
        single[name] = lambda alone=alone: alone(xi[0], one, width)
        if name != "refined":
            batched[name] = lambda together=together: together(xi, batch, width)
    seconds, per_batch = interleaved_medians(single, 11), interleaved_medians(batched, 5)
    names = {"refined": f"solver, {points * refinement} x {points * refinement} cells"}
    return [
        [
            names.get(name, label(name)),
            f"{1e3 * seconds[name]:.1f}",
            f"{1e3 * per_batch[name] / BATCH:.1f}" if name in per_batch else "",
        ]
        for name in single
    ]


def figure_of(case: Case, coefficients: dict[str, np.ndarray]) -> Figure:
    titles = {"truth, and where it is observed": case.a} | coefficients
    figure = Figure(figsize=(3.0 * len(titles), 3.3), layout="constrained")
    axes = figure.subplots(1, len(titles))
    for axis, (title, a) in zip(axes, titles.items(), strict=True):
        axis.imshow(a.T, cmap="cividis", origin="lower", extent=(0, 1, 0, 1))
        axis.set(title=title, xticks=[], yticks=[])
        axis.grid(False)
    at = (np.stack(np.divmod(case.cells, case.a.shape[1])) + 0.5) / np.array([case.a.shape]).T
    axes[0].plot(*at, "o", markersize=2.5, color="#d55e00")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="write the page and the figure")
    options = parser.parse_args()
    metrics = json.loads((options.run / "metrics.json").read_text(encoding="utf-8"))
    with xr.open_dataset(options.run / "data" / "test.nc") as data:
        chosen = data[["a", "u"]].isel(sample=slice(options.samples)).load()
        refinement = int(data.attrs["refinement"])
    cases = [
        Case.draw(chosen["a"].values[index], chosen["u"].values[index], index)
        for index in range(options.samples)
    ]
    level_set = LevelSet(chosen["x"].values)
    solutions: dict[str, Solution] = {"solver": Darcy(chosen.sizes["x"]).solve}
    for name in SURROGATES:
        solutions[name] = surrogate(options.run / "operators" / f"{name}-0.eqx")
    errors = {name: metrics[f"{name}.l2"] for name in solutions}

    begun = starts(level_set, cases)
    difference = max(
        adjoint_against_differences(level_set, cases, chosen) for chosen in begun.values()
    )
    missed = {
        place: 100
        * np.mean(
            [
                level_set.two_valued(jnp.asarray(xi)) != case.a
                for xi, case in zip(chosen, cases, strict=True)
            ]
        )
        for place, chosen in begun.items()
    }
    text = (
        f"Means over {options.samples} unseen samples, the worst one in brackets. The pressures, "
        f"solved on {refinement} times as many cells along each axis, are observed in "
        f"{OBSERVATIONS} random cells with {100 * NOISE:g} % noise. "
        f"$a = 3 + 9 / (1 + e^{{-\\varphi / w}})$ with a field $\\varphi$ of unit variance and "
        f"{MODES} x {MODES} cosine modes. In {len(cases)} x {len(begun)} directional derivatives "
        f"in double precision the adjoint differs from finite differences by {difference:.0e} at "
        "most.\n\n"
        "The gradient of the misfit through a surrogate beside the adjoint of the solver, with "
        "respect to the coefficient of each *cell* and to the *modes*, and the *pressure* itself. "
        "The modes *near* the truth are its own ones, 20 % perturbed: "
        f"{missed['near']:.0f} % of the cells have the wrong sign; *far* ones are another random "
        f"draw, {missed['far']:.0f} %. *Two values*, $w \\to 0$, are what the surrogates were "
        "trained on; there the modes are projections of the gradient of the cells.\n\n"
    )
    text += gradient_tables(solutions, level_set, cases, begun)
    print(text, flush=True)
    rows, found = inversions(solutions, level_set, cases, errors)
    header = [
        "inversion",
        "wrong cells, %",
        "pressure, %",
        "pressure of two values, %",
        "solver gradients",
        "until within 10 %",
        "surrogate gradients",
        "seconds",
    ]
    part = (
        f"\nWhole inversions with $w = {WIDTH:g}$: the most probable modes, by at most {STEPS} "
        "steps of L-BFGS from the prior mean, with the observation error and the error of the "
        "model in the likelihood. *Pressure* is the error of the solver's pressure for the "
        "coefficient that was found, and for that coefficient cut to two values; for the true "
        f"coefficient it is {100 * np.mean(pressure_floor(solutions, cases)):.1f} %. *Until within "
        "10 %* counts the gradients that the solver takes to a value not more than 10 % above the "
        "least that it finds by itself, and in how many samples it gets there.\n\n"
    ) + table(header, rows)
    print(part, flush=True)
    text += part
    header = ["ms per gradient", "one sample", f"of {BATCH} at once"]
    part = "\n" + table(header, timings(solutions, level_set, cases, errors, refinement))
    print(part, flush=True)
    text += part
    if options.write:
        path = DOCS / "generated" / "darcy_inversion.md"
        path.write_text(text, encoding="utf-8")
        shown = {
            "found by the solver": found["solver"][0],
            "found by MgNO": found["mgno"][0],
            "found by MgNO, then the solver": found["mgno, then the solver"][0],
        }
        save_png(figure_of(cases[0], shown), DOCS / "images" / "darcy-inversion.png")


def pressure_floor(solutions, cases) -> list[float]:
    solve = jax.jit(solutions["solver"])
    return [relative(solve(case.a), case.u) for case in cases]


if __name__ == "__main__":
    main()

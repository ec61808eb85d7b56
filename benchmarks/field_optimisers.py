"""Optimisers and representations of physics-informed fields: error against time.

`python benchmarks/field_optimisers.py --write` lowers the residuals of a Helmholtz equation with
networks, separable functions and Gaussians, with and without a network behind them, by several
optimisers, each for the same time; and solves it by least squares, with Gaussians and with
Chebyshev polynomials. `--problem klein-gordon` and `helmholtz-10` are other problems.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
from matplotlib.figure import Figure

from closurax.experiments.field_baselines import fit_polynomials
from closurax.physics.errors import TrainingDivergedError
from closurax.physics.problems import AbstractProblem, Helmholtz, KleinGordon
from closurax.report import save_png
from closurax.surrogates.fields import (
    PIG,
    AbstractField,
    FourierFeatures,
    LinearField,
    NetworkField,
    SeparableField,
)
from closurax.surrogates.training import (
    Collocation,
    GridCollocation,
    LevenbergMarquardt,
    NaturalGradient,
    QuasiNewton,
    SelfScaledBroyden,
    VariableProjection,
    fit_gaussians,
    train_physics_informed,
)

DOCS = Path(__file__).parents[1] / "docs"
INTERIOR, FACE, GRID = 2500, 100, 64
TEST_POINTS, TEST_SEED = 10_000, 12345
LATER = 1.25
SHARES = (1 / 16, 1 / 4, 1)


class Case(NamedTuple):
    """A problem, and how the published code trains on it (github.com/NamGyuKang, 2024)."""

    title: str
    problem: AbstractProblem
    weight: float
    """Of the mean square of the equation; that of all conditions together weighs 1."""
    gaussians: int
    width: float
    decay: float
    """Of the learning rate, 0.01 at the start, per step."""
    solved: tuple[int, ...]
    """Numbers of weights of the solves by least squares."""


CASES = {
    "helmholtz": Case(
        "Helmholtz, 1 and 4 waves", Helmholtz(1, 4), 1e-4, 800, 0.1, 0.9995, (200, 400, 800)
    ),
    "helmholtz-10": Case(
        "Helmholtz, 10 and 10 waves", Helmholtz(10, 10), 1e-4, 800, 0.1, 0.9995, (1600, 2400)
    ),
    "klein-gordon": Case(
        "Klein-Gordon", KleinGordon(), 1.0, 100, 0.5, 0.9 ** (1 / 2000), (200, 400, 800)
    ),
}


class Row(NamedTuple):
    """A representation and an optimiser."""

    representation: str
    method: str
    field: Callable[[], AbstractField]
    optimiser: Callable[[], Any]
    drawn: bool
    """Whether points are drawn anew, in single precision, as is usual for Adam."""
    every: int
    """Steps between looks at the clock."""


class Found(NamedTuple):
    """What came of a row, over time."""

    representation: str
    method: str
    parameters: int
    precision: str
    step: float | None
    seconds: list[float]
    errors: list[float]


class Judge:
    """The relative L2 error at random points on which nothing is trained."""

    def __init__(self, problem: AbstractProblem):
        lower, upper = np.asarray(problem.lower), np.asarray(problem.upper)
        draws = np.random.default_rng(TEST_SEED).random((TEST_POINTS, problem.dims))
        self.points = lower + (upper - lower) * draws
        self.solution = problem.solution(self.points)
        self.evaluated = eqx.filter_jit(partial(jax.lax.map, batch_size=1000))

    def __call__(self, field: AbstractField) -> float:
        dtype = jax.tree.leaves(eqx.filter(field, eqx.is_inexact_array))[0].dtype
        found = np.asarray(self.evaluated(field, jnp.asarray(self.points, dtype)), np.float64)
        return float(np.linalg.norm(found - self.solution) / np.linalg.norm(self.solution))


class NowAndThen:
    """The error, but only when some part more of time has passed than at the last look."""

    def __init__(self, judge: Judge, first: float):
        self.judge, self.next = judge, first
        self.started: float | None = None

    def __call__(self, field: AbstractField) -> dict[str, float]:
        now = time.perf_counter()
        self.started = now if self.started is None else self.started
        if now - self.started < self.next:
            return {"error": np.nan}
        error = self.judge(field)
        # The look itself does not count.
        self.started += time.perf_counter() - now
        self.next = LATER * max(self.next, now - self.started)
        return {"error": error}


def trained_rows(case: Case) -> list[Row]:
    box = (case.problem.lower, case.problem.upper, len(case.problem.fields))
    lengths = [high - low for low, high in zip(*box[:2], strict=True)]
    key = partial(jax.random.key, 0)

    def published():
        return PIG(*box, gaussians=case.gaussians, width=case.width, key=key())

    def small():
        return PIG(*box, features=1, gaussians=200, width=0.25, key=key())

    def linear():
        with_network = small()
        return LinearField(with_network.functions, with_network.weights.T)

    def network(width=64, depth=4, **options):
        return NetworkField(*box, width=width, depth=depth, key=key(), **options)

    def after_waves():
        scales = [2 * np.pi / length for length in lengths]
        return network(features=FourierFeatures.random(32, scales, key=jax.random.key(1)))

    def adam():
        return optax.adam(optax.exponential_decay(1e-2, 1, case.decay))

    def slow_adam():
        return optax.adam(optax.exponential_decay(1e-3, 2000, 0.9))

    def bfgs():
        return QuasiNewton(optx.BFGS(rtol=1e-12, atol=1e-12))

    pig, few = f"PIG, 4 x {case.gaussians}, as published", "PIG, 1 x 200"
    return [
        Row(pig, "Adam", published, adam, True, 2),
        Row(pig, "L-BFGS", published, optax.lbfgs, False, 1),
        Row(few, "Adam", small, adam, True, 10),
        Row(few, "L-BFGS", small, optax.lbfgs, False, 5),
        Row(few, "BFGS", small, bfgs, False, 5),
        Row(few, "self-scaled Broyden", small, SelfScaledBroyden, False, 5),
        Row(few, "Levenberg-Marquardt", small, LevenbergMarquardt, False, 1),
        Row("200 Gaussians", "self-scaled Broyden", linear, SelfScaledBroyden, False, 5),
        Row("200 Gaussians", "Levenberg-Marquardt", linear, LevenbergMarquardt, False, 1),
        Row("200 Gaussians", "natural gradient", linear, NaturalGradient, False, 1),
        Row("200 Gaussians", "variable projection", linear, VariableProjection, False, 1),
        Row("network (PINN)", "Adam", network, slow_adam, True, 5),
        Row("network on waves", "Adam", after_waves, slow_adam, True, 5),
        *(
            Row("small network", method, partial(network, 24, 3), optimiser, False, every)
            for method, optimiser, every in (
                ("self-scaled Broyden", SelfScaledBroyden, 5),
                ("Levenberg-Marquardt", LevenbergMarquardt, 1),
                ("natural gradient", NaturalGradient, 1),
            )
        ),
        Row(
            "separable networks (SPINN)", "Adam",
            lambda: SeparableField.of_networks(*box, rank=32, width=32, depth=3, key=key()),
            slow_adam, True, 20,
        ),
        Row(
            "separable Gaussians", "Adam",
            lambda: SeparableField.of_gaussians(*box, rank=32, gaussians=40, key=key()),
            slow_adam, True, 20,
        ),
    ]  # fmt: skip


def trained(row: Row, case: Case, seconds: float) -> Found:
    with jax.enable_x64(not row.drawn):
        field, problem = row.field(), case.problem
        if isinstance(field, SeparableField):
            points: Any = GridCollocation.random(problem, GRID, jax.random.key(2))
        elif row.drawn:
            points = Collocation.random(problem, INTERIOR, FACE, jax.random.key(2))
        else:
            points = Collocation.quasi_random(problem, INTERIOR, FACE, seed=2)
        judge = Judge(problem)
        try:
            result = train_physics_informed(
                field,
                points.weighted(case.weight, 1 / len(problem.conditions())),
                optimiser=row.optimiser(),
                steps=10_000_000,
                seed=3,
                redraw=row.drawn,
                report_every=row.every,
                seconds=seconds,
                measures=NowAndThen(judge, seconds / 64),
                progress=False,
            )
        except TrainingDivergedError as error:
            print(error, flush=True)
            result = error.last
        history = result.history.dropna("step")
        last = float(result.history["learning_time"][-1])
        return Found(
            row.representation,
            row.method,
            size_of(result.field),
            "single" if row.drawn else "double",
            last / int(result.history["step"][-1]),
            [*history["learning_time"].values.tolist(), last],
            [*history["error"].values.tolist(), judge(result.field)],
        )


def solved(
    representation: str, count: int, fit: Callable[[], AbstractField], problem: AbstractProblem
) -> Found:
    with jax.enable_x64(True):
        fit()
        started = time.perf_counter()
        field = fit()
        seconds = time.perf_counter() - started
        error = Judge(problem)(field)
    return Found(
        f"{count:,} {representation}", "least squares", count, "double", None, [seconds], [error]
    )


def size_of(field: AbstractField) -> int:
    return sum(array.size for array in jax.tree.leaves(eqx.filter(field, eqx.is_inexact_array)))


def table_of(found: list[Found], seconds: float) -> str:
    times = [seconds * share for share in SHARES]
    table = "| representation | method | parameters | precision | ms per step |"
    table += "".join(f" error after {each:.2g} s |" for each in times) + "\n|" + "---|" * 8 + "\n"
    for row in found:
        step = "" if row.step is None else f"{1e3 * row.step:.3g}"
        cells = []
        for each in times:
            until = [error for at, error in zip(row.seconds, row.errors, strict=True) if at <= each]
            cells.append(f"{until[-1]:.1e}" if until else "")
        if row.step is None:
            cells = ["", "", f"{row.errors[-1]:.1e}, after {row.seconds[-1]:.2g} s"]
        else:
            cells[-1] = f"{row.errors[-1]:.1e}"
        table += f"| {row.representation} | {row.method} | {row.parameters:,} | {row.precision} | "
        table += f"{step} | " + " | ".join(cells) + " |\n"
    return table


def figure_of(found: list[Found], title: str) -> Figure:
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    dashes: dict[str, Any] = {
        "Adam": "-", "L-BFGS": "--", "BFGS": "-.", "Levenberg-Marquardt": ":",
        "self-scaled Broyden": (0, (5, 1, 1, 1, 1, 1)), "natural gradient": (0, (1, 4)),
        "variable projection": (0, (8, 2)),
    }  # fmt: skip
    names = list(dict.fromkeys(row.representation for row in found if row.step is not None))
    for row in found:
        if row.step is not None:
            color = f"C{names.index(row.representation)}"
            axes.loglog(
                row.seconds, row.errors, ls=dashes[row.method], color=color, lw=1.6,
                label=f"{row.representation}, {row.method}",
            )  # fmt: skip
    for kind, mark in (("Gaussians", "o"), ("polynomials", "s")):
        points = [row for row in found if row.step is None and kind in row.representation]
        axes.loglog(
            [row.seconds[0] for row in points], [row.errors[0] for row in points], mark,
            color="k", mfc="k" if mark == "o" else "w", label=f"{kind}, least squares",
        )  # fmt: skip
    axes.set_xlabel("time in steps, compiled before, s")
    axes.set_ylabel("relative L2 error")
    axes.set_title(title)
    figure.legend(loc="outside right center", fontsize=7, frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", choices=CASES, default="helmholtz")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row that is trained")
    parser.add_argument("--rows", nargs="*", type=int, help="only these, counted from 0")
    parser.add_argument("--write", action="store_true", help="write the table and the figure")
    arguments = parser.parse_args()
    case = CASES[arguments.problem]
    rows = trained_rows(case)
    found = []
    for index, row in enumerate(rows):
        if arguments.rows is None or index in arguments.rows:
            found.append(trained(row, case, arguments.seconds))
            print(index, found[-1], flush=True)
    for name, fit in {
        "Gaussians": lambda count: fit_gaussians(case.problem, count, seed=0, progress=False).field,
        "Chebyshev polynomials": lambda count: fit_polynomials(case.problem, count, seed=0),
    }.items():
        for count in case.solved:
            found.append(solved(name, count, partial(fit, count), case.problem))
            print(found[-1], flush=True)
    text = table_of(found, arguments.seconds)
    text += (
        f"\n{case.title}. Relative L2 error at {TEST_POINTS:,} random points on which nothing was "
        f"trained, of the last field, with one seed. {INTERIOR:,} points inside and {FACE} on each "
        f"face, {GRID} along each axis for separable fields; drawn anew after every few steps in "
        "single precision, fixed in double. Time is that of steps: compilation and judging do not "
        "count, and the last step is finished; a step of BFGS is one point of its search, "
        "one of the self-scaled Broyden a whole search. The "
        "solves by least squares choose their widths or degrees in their time, each repeated once "
        f"and the second one timed. On {jax.devices()[0].device_kind}; jax {jax.__version__}.\n"
    )
    print(text)
    if arguments.write:
        suffix = "" if arguments.problem == "helmholtz" else f"-{arguments.problem}"
        stem = f"field_optimisers{suffix}"
        (DOCS / "generated" / f"{stem}.md").write_text(text, encoding="utf-8")
        image = DOCS / "images" / f"{stem.replace('_', '-')}.png"
        save_png(figure_of(found, case.title), image)


if __name__ == "__main__":
    main()

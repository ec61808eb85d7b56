"""`inverse-allen-cahn-pig`: coefficients of an equation from noisy observations of its solution."""

from functools import cached_property, partial
from typing import Any

import diffrax
import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from closurax.datasets.netcdf_output import write_netcdf
from closurax.physics.problems import AllenCahn
from closurax.surrogates.fields.galerkin_basis import GalerkinBasis
from closurax.surrogates.training import CoefficientFit, fit_coefficients
from closurax.surrogates.training.evolve_field import evolve
from closurax.surrogates.training.place_gaussians import Density

from ..workspace import Stage, Workspace
from .inverse_baselines import fit_by_solver, regress_derivatives, regress_weakly, simulated
from .inverse_report import write_report
from .inverse_settings import InverseAllenCahn
from .timing import timed

SETTINGS = {"one": ["reaction_rate"], "both": ["diffusivity", "reaction_rate"]}
_NAMES = ("diffusivity", "reaction_rate")

# Of the reference, and of the differences that give its slopes.
_MODES, _STEPS, _DIFFERENCE = 2048, 800, 1e-4
_TIMES, _OVERLAP, _CUTOFF, _TOLERANCE = 51, 1.5, 1e-10, 1e-6
_NODES, _TRIAL_TOLERANCE = 2001, 1e-4


def run(settings: InverseAllenCahn, workspace: Workspace) -> dict[str, float]:
    """Finds the coefficients with Gaussians and by the baselines, and writes the report."""
    with jax.enable_x64(True):
        experiment = _Experiment(settings, workspace)
        given = {"bound": experiment.observe()}
        given |= {f"gaussians_{name}": experiment.fit(name) for name in SETTINGS}
        given["baselines"] = experiment.fit_baselines()
        return workspace.report(
            {name: stage.fingerprint for name, stage in given.items()},
            lambda: write_report(
                settings, workspace, {name: stage.results for name, stage in given.items()}
            ),
        )


class _Experiment:
    def __init__(self, settings: InverseAllenCahn, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self.truth = np.array([settings.truth.diffusivity, settings.truth.reaction_rate])
        self.times = np.linspace(0, 1, settings.observations.times)
        self.x = np.linspace(-1, 1, settings.observations.places, endpoint=False)

    def observe(self) -> Stage:
        """The solution, and how much its observations can tell at best."""

        def work() -> dict[str, Any]:
            solution = self._simulated(self.truth)
            slopes = np.stack(
                [
                    (
                        self._simulated(self.truth * (1 + by))
                        - self._simulated(self.truth * (1 - by))
                    )
                    / (2 * _DIFFERENCE)
                    for by in _DIFFERENCE * np.eye(2)
                ]
            )
            noise = self.settings.observations.noise * float(solution.std())
            information = slopes.reshape(2, -1) @ slopes.reshape(2, -1).T / noise**2
            places = {"t": self.times, "x": self.x}
            dataset = xr.Dataset(
                {
                    "u": (("t", "x"), solution, {"units": "1", "long_name": "the solution"}),
                    "slope": (
                        ("coefficient", "t", "x"),
                        slopes,
                        {"units": "1", "long_name": "change by the logarithm of a coefficient"},
                    ),
                },
                {**places, "coefficient": list(_NAMES)},
                {"Conventions": "CF-1.11"},
            )
            write_netcdf(dataset, self.workspace.path("reference.nc"))
            both = np.sqrt(np.diag(np.linalg.inv(information)))
            return {
                "noise": noise,
                "observations": int(solution.size),
                "one": {"reaction_rate": float(information[1, 1] ** -0.5)},
                "both": dict(zip(_NAMES, both.tolist(), strict=True)),
            }

        return self.workspace.stage("bound", "observing the solution", self._inputs(), work)

    def fit(self, setting: str) -> Stage:
        names = SETTINGS[setting]
        start = self._start(setting)

        def work() -> dict[str, Any]:
            (solve, first), seconds = timed(lambda: self._refined(start, names))
            each = [first] + [
                self._fitted(start, names, index, solve)
                for index in range(1, self.settings.realisations)
            ]
            return {
                **_outcome(names, [_values(names, fit) for fit in each]),
                "noise": [fit.noise for fit in each],
                "steps": [fit.steps for fit in each],
                **seconds,
            }

        inputs = self._inputs(gaussians=self.settings.gaussians, names=names)
        return self.workspace.stage(f"gaussians-{setting}", f"fitting {setting}", inputs, work)

    def fit_baselines(self) -> Stage:
        def work() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for setting, names in SETTINGS.items():
                both = setting == "both"
                known = None if both else float(self.truth[0])
                guess = self._start(setting)
                first = (float(guess.diffusivity), float(guess.reaction_rate))
                observed = [self._observed(i) for i in range(self.settings.realisations)]
                # All realisations take minutes; one shows how far it is from the Gaussians.
                solved, seconds = timed(
                    partial(fit_by_solver, observed[0], self.times, self.x, first, both)
                )
                chosen = [_NAMES.index(name) for name in names]
                found[f"solver_{setting}"] = {
                    **_outcome(names, [(solved[0][chosen], solved[1][chosen])]),
                    **seconds,
                }
                for method, regress in (
                    ("weak_regression", regress_weakly),
                    ("regression", regress_derivatives),
                ):
                    values = [regress(each, self.times, self.x, known)[chosen] for each in observed]
                    found[f"{method}_{setting}"] = _outcome(
                        names, [(each, None) for each in values]
                    )
            return found

        return self.workspace.stage("baselines", "fitting the baselines", self._inputs(), work)

    def _refined(self, start: AllenCahn, names: list[str]):
        """A solver whose Gaussians follow what a first fit found, and the fit with it."""
        found = self._fitted(start, names, 0, self._gaussians(start, None))
        solve = self._gaussians(found.problem, found.field)
        return solve, self._fitted(start, names, 0, solve)

    def _fitted(self, start: AllenCahn, names: list[str], index: int, solve) -> CoefficientFit:
        observed = xr.Dataset(
            {"u": (("t", "x"), self._observed(index))}, {"t": self.times, "x": self.x}
        )
        return fit_coefficients(start, names, observed, solve, positive=names, progress=False)

    def _gaussians(self, problem: Any, field):
        """A solver by Gaussians that are dense where the field, or a coarser one, is curved."""
        count = self.settings.gaussians
        if field is None:
            density = Density.uniform(problem)
            field = self._solver(density, count * 3 // 4, 21, _TRIAL_TOLERANCE)(problem)
        density = Density.of_curvature(problem, field, _NODES)
        return self._solver(density, count, _TIMES, _TOLERANCE)

    def _solver(self, density: Density, count: int, times: int, tolerance: float):
        features = density.place(count, overlap=_OVERLAP)
        basis = GalerkinBasis.spanning(features, *density.quadrature(count), _CUTOFF)

        def solve(problem: AllenCahn):
            return evolve(
                problem, features, basis, np.linspace(0, 1, times),
                solver=diffrax.Dopri5(), tolerance=tolerance,
                adjoint=diffrax.ForwardMode(), progress=False,
            )  # fmt: skip

        return solve

    def _start(self, setting: str) -> AllenCahn:
        start, truth = self.settings.start, self.settings.truth
        diffusivity = start.diffusivity if setting == "both" else truth.diffusivity
        return AllenCahn(diffusivity=diffusivity, reaction_rate=start.reaction_rate)

    def _simulated(self, coefficients: np.ndarray) -> Float[np.ndarray, "times places"]:
        diffusivity, reaction_rate = map(float, coefficients)
        return simulated(diffusivity, reaction_rate, self.times, self.x, modes=_MODES, steps=_STEPS)

    @cached_property
    def _solution(self) -> np.ndarray:
        with xr.open_dataset(self.workspace.path("reference.nc"), engine="netcdf4") as reference:
            return reference["u"].values

    def _observed(self, index: int) -> Float[np.ndarray, "times places"]:
        solution = self._solution
        noise = self.settings.observations.noise * solution.std()
        generator = np.random.default_rng((self.settings.seed, index))
        return solution + noise * generator.standard_normal(solution.shape)

    def _inputs(self, **others: Any) -> dict[str, Any]:
        settings = self.settings
        return {
            "truth": settings.truth.model_dump(),
            "start": settings.start.model_dump(),
            "observations": settings.observations.model_dump(),
            "realisations": settings.realisations,
            "seed": settings.seed,
            **others,
        }


def _values(names: list[str], fit: CoefficientFit) -> tuple[np.ndarray, np.ndarray]:
    chosen = fit.coefficients.sel(coefficient=names)
    return chosen["value"].values, chosen["standard_deviation"].values


def _outcome(names: list[str], each: list[tuple[np.ndarray, np.ndarray | None]]) -> dict[str, Any]:
    """Estimates and, where known, their standard deviations, by the name of the coefficient."""
    return {
        name: {
            "values": [float(values[index]) for values, _ in each],
            "deviations": [
                float(deviations[index]) for _, deviations in each if deviations is not None
            ],
        }
        for index, name in enumerate(names)
    }

"""The experiment `subgrid-turbulence`: closures side by side in running simulations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import PyTree

from closurax import datasets, surrogates
from closurax.physics import AbstractScheme, solvers
from closurax.physics.coupling import Sum
from closurax.physics.errors import DataError, ExperimentError
from closurax.physics.spectral import SpectralGrid, from_real_view
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing
from closurax.surrogates.training import resolved_tendency

from ..workspace import Stage, Workspace
from .file_identity import file_identity
from .parameter_count import parameter_count
from .physical_closures import physical_closure
from .reference import reference_of, shipped_reference
from .run_file import write_run
from .shortest_seconds import shortest_seconds
from .subgrid_networks import untrained_network
from .subgrid_turbulence_report import write_report
from .subgrid_turbulence_settings import SubgridTurbulence

_TIMED_RUNS = 3
# The files of what is fitted to data: the best linear closure, the baseline, and it with a network.
LEARNED = {"linear": "linear.eqx", "learned": "closure.eqx"}


def run(settings: SubgridTurbulence, workspace: Workspace) -> dict[str, float]:
    """Prepares the data, trains, runs every closure, and writes metrics and the report."""
    experiment = TurbulenceStages(settings, workspace)
    data = experiment.prepare_data()
    training = experiment.train(data)
    scores = experiment.score(data, training)
    names = ["none", *settings.comparison.closures, *LEARNED]
    runs = {name: experiment.simulate(name, data, training) for name in names}
    if all(stage.results["blow_ups"] == settings.comparison.members for stage in runs.values()):
        raise ExperimentError(
            f"every member became non-finite with every closure, with model.time_step = "
            f"{settings.model.time_step:g} s: take a smaller step. What was computed before is in "
            f"{str(workspace.path('runs'))!r}."
        )
    fingerprints = [stage.fingerprint for stage in (data, training, scores, *runs.values())]
    return workspace.report(
        {"stages": fingerprints, "comparison": settings.comparison.model_dump()},
        lambda: write_report(
            settings,
            workspace,
            training=training.results,
            scores=scores.results,
            costs={name: stage.results["seconds_per_time_unit"] for name, stage in runs.items()},
        ),
        "judging the closures and writing the report",
    )


class TurbulenceStages:
    """The stages of one run; what they hand on lies in the workspace."""

    def __init__(self, settings: SubgridTurbulence, workspace: Workspace):
        self.settings, self.workspace = settings, workspace
        self.grid = SpectralGrid(settings.model.grid_points)

    def prepare_data(self) -> Stage:
        data, comparison = self.settings.data, self.settings.comparison
        inputs = {
            "data": data.model_dump(),
            "files": [file_identity(data.dns), file_identity(data.pairs)],
            "grid_points": self.grid.nx,
            "confidence": comparison.confidence,
            "seed": self.settings.seed,
        }

        def work() -> dict[str, Any]:
            options = (self.grid, comparison.confidence, self.settings.seed)
            if data.dns:
                with datasets.open_dns(data.dns) as dns:
                    reference = reference_of(dns, *options)
                    if not data.pairs:
                        pairs = datasets.filtered_pairs(dns, self.grid, data.filter)
                        datasets.write_pairs(pairs, self.workspace.path("pairs.nc"))
            else:
                reference = shipped_reference(*options)
            reference.to_netcdf(self.workspace.path("reference.nc"), engine="netcdf4")
            counts = [part.sizes["time"] for part in self._split()]
            return dict(zip(("training", "validation", "test"), counts, strict=True))

        return self.workspace.stage("data", "checking the data", inputs, work)

    def train(self, data: Stage) -> Stage:
        surrogate, training = self.settings.surrogate, self.settings.training
        inputs = {
            "data": data.fingerprint,
            "surrogate": surrogate.model_dump(),
            "training": training.model_dump(),
            "seed": self.settings.seed,
        }
        train, validation, _ = self._split()

        def work() -> dict[str, Any]:
            variance = float(np.var(train["subgrid_tendency"].values.astype(float)))
            closure = self._untrained(train)
            steps = training.epochs * max(1, train.sizes["time"] // training.batch_size)
            fitted = surrogates.fit(
                closure,
                _arrays(train),
                _arrays(validation),
                loss=lambda scheme, batch: surrogates.tendency_loss(
                    scheme, batch, grid=self.grid, variance=variance
                ),
                optimiser=optax.adamw(
                    optax.cosine_decay_schedule(training.learning_rate, steps),
                    weight_decay=training.weight_decay,
                ),
                trainable=_network_only(closure),
                epochs=training.epochs,
                batch_size=training.batch_size,
                patience=training.patience,
                seed=self.settings.seed,
                configuration=inputs,
                out=self.workspace.path("training"),
                resume=self.workspace.resume and self._training_matches(inputs),
            )
            surrogates.save(self.workspace.path(LEARNED["linear"]), closure.first, inputs)
            calibrated = _calibrated(fitted.best, validation, self.grid)
            surrogates.save(self.workspace.path(LEARNED["learned"]), calibrated, inputs)
            history = fitted.history
            best = int(history.attrs["best_epoch"])
            return {
                "parameters": parameter_count(closure.second),
                "epochs": history.sizes["epoch"],
                "best_epoch": best,
                "validation_loss": float(history["validation_loss"].sel(epoch=best)),
                "seconds": float(history["learning_time"][-1]),
            }

        title = f"training the learned closure on {train.sizes['time']} fields"
        return self.workspace.stage("training", title, inputs, work)

    def score(self, data: Stage, training: Stage) -> Stage:
        closures = self.settings.closures.model_dump()
        inputs = {
            "data": data.fingerprint,
            "training": training.fingerprint,
            "closures": {name: closures[name] for name in self.settings.comparison.closures},
        }

        def work() -> dict[str, Any]:
            _, _, test = self._split()
            names = [*self.settings.comparison.closures, *LEARNED]
            return {name: self._scores(name, test) for name in names}

        title = "scoring the closures on the test data, outside of any simulation"
        return self.workspace.stage("scores", title, inputs, work)

    def simulate(self, name: str, data: Stage, training: Stage) -> Stage:
        comparison = self.settings.comparison
        closures = self.settings.closures.model_dump()
        inputs = {
            "data": data.fingerprint,
            "closure": training.fingerprint if name in LEARNED else closures.get(name, {}),
            "model": self.settings.model.model_dump(),
            "members": comparison.members,
            "times": [comparison.spin_up, comparison.duration, comparison.save_every],
        }

        def work() -> dict[str, float]:
            model = self._model(name)
            state = model.initial_state(self._initial_vorticity())
            options: dict[str, Any] = {
                "save_every": comparison.save_every,
                "dt": self.settings.model.time_step,
                "solver": getattr(solvers, self.settings.model.solver)(),
                "schemes_called": self.settings.model.closure_called,
                "throw": False,
            }
            cost = _seconds_per_time_unit(model, state, options)
            duration = comparison.spin_up + comparison.duration
            attrs = {
                "closure": name,
                "seed": self.settings.seed,
                "configuration": self.settings.model_dump_json(),
                "seconds_per_time_unit": cost,
            }
            result = model.run(state, duration, attrs=attrs, **options)
            write_run(result, self.workspace.path(f"runs/{name}.nc"))
            blow_ups = int(np.isfinite(result["blow_up_time"].values).sum())
            return {"seconds_per_time_unit": cost, "blow_ups": float(blow_ups)}

        members = comparison.members
        title = f"running {members} members with closure: {name.replace('_', ' ')}"
        return self.workspace.stage(f"run-{name}", title, inputs, work)

    def _pairs(self) -> xr.Dataset:
        data = self.settings.data
        if data.pairs or data.dns:
            path = data.pairs or self.workspace.path("pairs.nc")
            pairs = datasets.open_pairs(path)
        else:
            pairs = datasets.training_pairs()
        if (pairs.sizes["x"], pairs.sizes["y"]) != self.grid.shape:
            raise ExperimentError(
                f"model.grid_points = {self.grid.nx}, but the training pairs have "
                f"{pairs.sizes['x']}; make pairs of that size from a DNS with data.dns."
            )
        return pairs

    def _split(self) -> tuple[xr.Dataset, ...]:
        data = self.settings.data
        fractions = (
            1 - data.validation_fraction - data.test_fraction,
            data.validation_fraction,
            data.test_fraction,
        )
        return datasets.split_by_time_block(self._pairs(), fractions, data.gap)

    def _untrained(self, train: xr.Dataset) -> Sum:
        """The best linear closure, and a network for what that leaves over."""
        linear = surrogates.SpectralEddyViscosity.fit(
            train["vorticity"].values, train["subgrid_tendency"].values, self.grid
        )
        network = untrained_network(self.settings.surrogate, train, self.settings.seed)
        return Sum(linear, network)

    def _training_matches(self, inputs: dict[str, Any]) -> bool:
        """Whether the checkpoint in the workspace belongs to the training with these inputs."""
        checkpoint = self.workspace.path("training/last.npz")
        if not checkpoint.is_file():
            return False
        recorded = surrogates.read_header(checkpoint)
        return recorded.get("identity", {}).get("configuration") == inputs

    def _scheme(self, name: str) -> AbstractScheme | None:
        if name == "none":
            return None
        if name in LEARNED:
            return surrogates.load(self.workspace.path(LEARNED[name]))
        return physical_closure(name, self.settings.closures, self.grid)

    def _scores(self, name: str, test: xr.Dataset) -> dict[str, float]:
        scheme = self._scheme(name)
        assert scheme is not None
        scores = surrogates.a_priori_scores(scheme, _arrays(test), self.grid)
        numbers = {key: float(scores[key].mean()) for key in ("correlation", "r2")}
        for transfer in ("enstrophy_transfer", "energy_transfer"):
            exact = float(scores[f"exact_{transfer}"].mean())
            numbers[f"{transfer}_ratio"] = float(scores[transfer].mean()) / exact
        return {key: value for key, value in numbers.items() if np.isfinite(value)}

    def _model(self, name: str) -> BarotropicVorticity:
        settings = self.settings.model
        model = BarotropicVorticity(
            self.grid,
            viscosity=settings.viscosity,
            drag=settings.drag,
            beta=settings.beta,
            forcing=CosineForcing(settings.forcing_wavenumber),
        )
        return model.replace(subgrid=self._scheme(name))

    def _initial_vorticity(self) -> jax.Array:
        """Filtered snapshots of the DNS, as far apart from each other as they can be."""
        snapshots, members = self._pairs()["vorticity"].values, self.settings.comparison.members
        if len(snapshots) < members:
            raise DataError(
                f"comparison.members = {members}, but the pairs hold {len(snapshots)} fields to "
                "start from; run fewer members."
            )
        chosen = np.linspace(0, len(snapshots) - 1, members).round().astype(int)
        return jnp.asarray(snapshots[chosen])


def _network_only(closure: Sum) -> PyTree:
    trainable = surrogates.trainable_arrays(closure)
    fixed = jax.tree_util.tree_map(lambda _: False, trainable.first)
    return eqx.tree_at(lambda closure: closure.first, trainable, fixed)


def _calibrated(closure: Sum, validation: xr.Dataset, grid: SpectralGrid) -> Sum:
    """The closure with its linear part fitted again, to what the network leaves over on fields
    that it was not trained on: there every shell then has the transfer of the data."""
    predict = jax.jit(lambda vorticity: resolved_tendency(closure.second, vorticity, grid))
    vorticity = validation["vorticity"].values
    network = np.stack([grid.to_physical(from_real_view(predict(w))) for w in vorticity])
    residual = validation["subgrid_tendency"].values - network
    return Sum(surrogates.SpectralEddyViscosity.fit(vorticity, residual, grid), closure.second)


def _arrays(pairs: xr.Dataset) -> dict[str, np.ndarray]:
    return {name: pairs[name].values for name in ("vorticity", "subgrid_tendency")}


def _seconds_per_time_unit(
    model: BarotropicVorticity, state: jax.Array, options: dict[str, Any]
) -> float:
    """Wall time per simulated second and member, without compilation; the fastest of a few."""
    duration = 2 * options["save_every"]
    seconds = shortest_seconds(
        lambda: model.run(state, duration, progress=False, **options), _TIMED_RUNS
    )
    return seconds / (duration * state.shape[0])

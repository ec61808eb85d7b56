"""Training a learned convection scheme inside the running column, a posteriori."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

from closurax import surrogates
from closurax.physics.column import AtmosphericColumn, ColumnState, PersistentConvection
from closurax.physics.errors import ExperimentError
from closurax.surrogates.columns import ConvectionNetwork
from closurax.surrogates.training import trajectory_loss

from .convection_settings import Tuning

_HOUR = 3600.0
# Errors of this size count as one: what a first network leaves in a six-day run.
_TEMPERATURE_SCALE, _VAPOUR_SCALE = 0.2, 1e-4


class Reference(NamedTuple):
    """A run to follow: states at times in s that are equally spaced."""

    time: np.ndarray
    states: ColumnState

    def at(self, index: int) -> ColumnState:
        return jax.tree_util.tree_map(lambda leaf: leaf[index], self.states)


def reference_states(model: AtmosphericColumn, run: xr.Dataset, winds: xr.Dataset) -> Reference:
    """The states of a run that was saved, with the winds of another one if it has none."""
    wind = {
        name: (run if name in run else winds)[name].values
        for name in ("eastward_wind", "northward_wind")
    }
    states = model.initial_state(
        run["air_temperature"].values, run["humidity_mixing_ratio"].values, **wind
    )
    return Reference(np.asarray(run["time"].values, float), states)


def tune(
    scheme: ConvectionNetwork,
    model: AtmosphericColumn,
    reference: Reference,
    settings: Tuning,
    time_step: float,
    seed: int,
    out: Path,
) -> ConvectionNetwork:
    """The scheme trained to keep short runs close to the reference, on its first part alone.

    The last quarter of the windows is for validation: it chooses the epoch.

    Raises `ExperimentError` if the part holds fewer than four windows.
    """
    spacing = float(reference.time[1] - reference.time[0])
    saves = max(1, round(settings.window_hours * _HOUR / spacing))
    last = int((reference.time.size - 1) * settings.fraction)
    starts = np.arange(0, last - saves + 1, saves)
    if starts.size < 4:
        raise ExperimentError(
            f"tuning.fraction = {settings.fraction:g} of the run holds {starts.size} windows of "
            f"{settings.window_hours:g} h; four are needed: take shorter ones, or a longer run."
        )
    windows = _windows(reference, starts, saves)
    validation = max(1, starts.size // 4)
    parts = [
        jax.tree_util.tree_map(lambda leaf, part=part: np.asarray(leaf)[part], windows)
        for part in (slice(None, -validation), slice(-validation, None))
    ]
    loss = partial(
        trajectory_loss,
        model=model,
        slot="convection",
        error=_error,
        duration=saves * spacing,
        save_every=spacing,
        dt=time_step,
        wrap=PersistentConvection,
    )
    fitted = surrogates.fit(
        scheme,
        *parts,
        loss=loss,
        optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(settings.learning_rate)),
        epochs=settings.epochs,
        batch_size=min(settings.batch_size, starts.size - validation),
        seed=seed,
        configuration=settings.model_dump(),
        out=out,
    )
    return fitted.best


def _windows(reference: Reference, starts: np.ndarray, saves: int) -> dict[str, Any]:
    def targets(field: str) -> np.ndarray:
        values = np.asarray(getattr(reference.states, field))
        return np.stack([values[start : start + saves + 1] for start in starts])

    return {
        "state": jax.tree_util.tree_map(lambda leaf: np.asarray(leaf)[starts], reference.states),
        "start": reference.time[starts].astype(np.asarray(reference.states.temperature).dtype),
        "target": {"temperature": targets("temperature"), "vapour": targets("vapour")},
    }


def _error(states: ColumnState, target: dict[str, Any]) -> Any:
    temperature = (states.temperature - target["temperature"]) / _TEMPERATURE_SCALE
    vapour = (states.vapour - target["vapour"]) / _VAPOUR_SCALE
    return jnp.mean(temperature**2) + jnp.mean(vapour**2)

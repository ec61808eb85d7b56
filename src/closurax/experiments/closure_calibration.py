"""Constants of physical closures from the few snapshots that the learned ones are trained on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics import AbstractScheme
from closurax.physics.closures import JansenHeldBackscatter, Leith, Smagorinsky
from closurax.surrogates import ensemble_kalman_inversion
from closurax.surrogates.training.spectrum_loss import mean_spectrum, snapshot_spectrum

from .closure_training_settings import CoarseModel, Target
from .coarse_turbulence import coarse_model, run_options, target_snapshots
from .turbulence_compare_settings import CalibrationSettings

_SAVE_EVERY = 0.5


class _Constants(NamedTuple):
    """A closure of unbounded parameters, and the normal distribution they are first drawn from."""

    closure: Callable[[Float[Array, " parameter"]], AbstractScheme]
    mean: list[float]
    std: list[float]


_CONSTANTS = {
    "smagorinsky": _Constants(lambda p: Smagorinsky(jnp.exp(p[0])), [np.log(0.15)], [0.4]),
    "leith": _Constants(lambda p: Leith(jnp.exp(p[0])), [np.log(0.3)], [0.4]),
    "jansen_held": _Constants(
        lambda p: JansenHeldBackscatter(jnp.exp(p[0]), jax.nn.sigmoid(p[1])),
        [np.log(0.1), 1.5],
        [0.3, 0.7],
    ),
}


def calibrated(
    name: str,
    settings: CalibrationSettings,
    model_settings: CoarseModel,
    target: Target,
    seed: int,
) -> dict[str, list[float]]:
    """The parameters of a closure by ensemble Kalman inversion, and their standard deviations."""
    constants = _CONSTANTS[name]
    model = coarse_model(model_settings)
    snapshots = target_snapshots(target, model.grid)
    mean, spread = snapshot_spectrum(snapshots, model.grid)
    # Runs and snapshots are both samples: of the runs, one in two seconds counts as new.
    samples = settings.runs * max(1.0, settings.duration / 2)
    variance = spread**2 * (1 / len(snapshots) + 1 / samples)
    starts = model.initial_state(
        jnp.asarray(np.resize(snapshots, (settings.runs, *model.grid.shape)))
    )
    options = run_options(model_settings)

    @eqx.filter_jit
    def simulate(parameters: Float[Array, "member parameter"]) -> Float[Array, "member shell"]:
        def of_member(parameters):
            coupled = model.replace(subgrid=constants.closure(parameters))

            def judged_states(start):
                duration = settings.spin_up + settings.duration
                states, _ = coupled.trajectory(start, duration, save_every=_SAVE_EVERY, **options)
                return states[1 + round(settings.spin_up / _SAVE_EVERY) :]

            return jnp.log(mean_spectrum(jax.vmap(judged_states)(starts), model.grid))

        return jax.lax.map(of_member, parameters)

    found = ensemble_kalman_inversion(
        lambda parameters: np.asarray(simulate(jnp.asarray(parameters, starts.dtype))),
        prior_mean=np.asarray(constants.mean),
        prior_covariance=np.diag(np.square(constants.std)),
        data=np.log(mean),
        data_covariance=np.diag(variance),
        members=settings.members,
        iterations=settings.iterations,
        seed=seed,
    )
    return {"parameters": found.mean.tolist(), "std": np.sqrt(np.diag(found.covariance)).tolist()}


def with_constants(name: str, parameters: list[float]) -> AbstractScheme:
    """The closure with the parameters that `calibrated` returned, its constants as numbers."""
    closure: Any = _CONSTANTS[name].closure(jnp.asarray(parameters))
    return jax.tree_util.tree_map(float, closure)

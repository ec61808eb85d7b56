"""The experiment `turbulence-online`: a closure trained by gradients through the simulation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from closurax import surrogates
from closurax.physics import AbstractScheme
from closurax.physics.closures import JansenHeldBackscatter, Leith, Smagorinsky
from closurax.physics.coupling import Sum
from closurax.surrogates.closures import (
    AgentClosure,
    AgentLattice,
    BackscatterForm,
    ConvolutionalPolicy,
    LocalInvariants,
)
from closurax.surrogates.training import SpectrumLoss, train_online

from ..workspace import Workspace
from .closure_training import Trained, run_training
from .closure_training_settings import TurbulenceOnline
from .coarse_turbulence import coarse_model, run_options, target_snapshots
from .first_action import first_bias


def run(settings: TurbulenceOnline, workspace: Workspace) -> dict[str, float]:
    """Trains, runs freely before and after, and writes metrics and the report."""
    return run_training(settings, workspace, start=untrained(settings), train=trained)


def untrained(settings: TurbulenceOnline) -> AbstractScheme:
    """The closure that the training starts from, its constants as arrays."""
    closure = settings.closure
    coefficient, fraction = jnp.asarray(closure.coefficient), jnp.asarray(closure.fraction)
    match closure.form:
        case "leith":
            return Leith(coefficient)
        case "smagorinsky":
            return Smagorinsky(coefficient)
        case "jansen_held":
            return JansenHeldBackscatter(coefficient, fraction)
        case "learned":
            return Sum(
                JansenHeldBackscatter(coefficient, fraction),
                surrogates.ScaledSpectralViscosity.uniform(0.0, closure.nodes),
            )
        case "convolutional":
            return _convolutional(settings)
        case "file":
            return surrogates.load(closure.file)


def _convolutional(settings: TurbulenceOnline) -> AgentClosure:
    """An agent at every grid point, which sees what those around it see."""
    closure = settings.closure
    form, observation = BackscatterForm(), LocalInvariants("isotropic", True, None)
    policy = ConvolutionalPolicy(
        observation.size(coarse_model(settings.model).grid),
        form.channels,
        closure.width,
        closure.depth,
        closure.kernel_size,
        key=jax.random.key(settings.seed),
    )
    bias = jnp.asarray(
        first_bias(form, closure.start, "closure.start"), policy.layers[-1].bias.dtype
    )
    policy = eqx.tree_at(lambda policy: policy.layers[-1].bias, policy, bias)
    return AgentClosure(policy, form, observation, AgentLattice(None))


def trained(settings: TurbulenceOnline, start: AbstractScheme, workspace: Workspace) -> Trained:
    """The closure after the training, and the history of the training."""
    training = settings.training
    model = coarse_model(settings.model)
    snapshots = target_snapshots(settings.target, model.grid)
    result = train_online(
        start,
        model.initial_state(jnp.asarray(snapshots)),
        model=model,
        slot="subgrid",
        loss=SpectrumLoss.from_snapshots(snapshots, model.grid),
        windows=training.windows,
        save_every=training.save_every,
        iterations=training.iterations,
        members=training.members,
        optimiser=optax.chain(
            optax.clip_by_global_norm(training.clip),
            optax.adam(optax.cosine_decay_schedule(training.learning_rate, training.iterations)),
        ),
        seed=settings.seed,
        restart=training.restart,
        average=training.average,
        **run_options(settings.model),
        out=workspace.path("training"),
        resume=workspace.resume,
        configuration=_configuration(settings),
    )
    return Trained(result.scheme, result.history)


def _configuration(settings: TurbulenceOnline) -> dict[str, Any]:
    sections = ("model", "target", "closure", "training")
    return {name: getattr(settings, name).model_dump() for name in sections}

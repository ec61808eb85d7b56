"""The experiments `turbulence-ppo` and `turbulence-vracer`: agents that earn a closure."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from closurax.physics.errors import ExperimentError
from closurax.surrogates.closures import (
    AbstractCoefficientForm,
    AgentClosure,
    AgentLattice,
    BackscatterForm,
    LeithForm,
    LocalInvariants,
    SmagorinskyForm,
)
from closurax.surrogates.reinforcement import (
    GaussianPolicy,
    TurbulenceEnvironment,
    train_ppo,
    train_v_racer,
)

from ..workspace import Workspace
from .closure_training import Trained, run_training
from .closure_training_settings import Agents, TurbulencePPO, TurbulenceVRACER
from .coarse_turbulence import coarse_model, run_options, target_snapshots
from .first_action import first_bias


def run_ppo(settings: TurbulencePPO, workspace: Workspace) -> dict[str, float]:
    """Trains by proximal policy optimisation, runs freely, and writes metrics and the report."""
    return run_training(settings, workspace, start=untrained(settings), train=trained_by_ppo)


def run_v_racer(settings: TurbulenceVRACER, workspace: Workspace) -> dict[str, float]:
    """Trains by V-RACER, runs freely, and writes metrics and the report."""
    return run_training(settings, workspace, start=untrained(settings), train=trained_by_v_racer)


def untrained(settings: TurbulencePPO | TurbulenceVRACER) -> AgentClosure:
    """The closure whose policy knows nothing yet."""
    environment = _environment(settings)
    return environment.closure(_untrained_policy(settings, environment))


def trained_by_ppo(settings: TurbulencePPO, start: AgentClosure, workspace: Workspace) -> Trained:
    """The closure with the mean actions of the trained policy, and the history."""
    training = settings.training
    learn = partial(
        train_ppo,
        iterations=training.iterations,
        environments=training.environments,
        steps=training.steps,
        epochs=training.epochs,
        mini_batches=training.minibatches,
        learning_rate=training.learning_rate,
        final_learning_rate=0.1 * training.learning_rate,
        discount=training.discount,
    )
    return _trained(learn, settings, start, workspace)


def trained_by_v_racer(
    settings: TurbulenceVRACER, start: AgentClosure, workspace: Workspace
) -> Trained:
    """The same by V-RACER."""
    training = settings.training
    learn = partial(
        train_v_racer,
        iterations=training.iterations,
        environments=training.environments,
        steps=training.steps,
        batch_size=training.batch_size,
        updates_per_experience=training.updates_per_experience,
        start=training.start,
        capacity=training.capacity,
        learning_rate=training.learning_rate,
        discount=training.discount,
    )
    return _trained(learn, settings, start, workspace)


def _trained(
    learn: Callable[..., Any],
    settings: TurbulencePPO | TurbulenceVRACER,
    start: AgentClosure,
    workspace: Workspace,
) -> Trained:
    environment = _environment(settings)
    result = learn(
        start.policy,
        environment,
        seed=settings.seed,
        out=workspace.path("training"),
        resume=workspace.resume,
    )
    return Trained(environment.closure(result.policy), result.history)


def _environment(settings: TurbulencePPO | TurbulenceVRACER) -> TurbulenceEnvironment:
    agents, episode, model = settings.agents, settings.episode, coarse_model(settings.model)
    options = run_options(settings.model)
    if options.pop("schemes_called") != "every step":
        raise ExperimentError(
            'model.closure_called: agents act once in a while, so take "every step".'
        )
    published = agents.observation == "published"
    return TurbulenceEnvironment(
        model,
        target_snapshots(settings.target, model.grid),
        form=_form(agents),
        observation=LocalInvariants(
            kind="published" if published else "isotropic",
            scale_free=not published,
            spectrum="axes" if published else None,
        ),
        lattice=AgentLattice((agents.lattice, agents.lattice)),
        steps_per_action=episode.steps_per_action,
        horizon=episode.horizon,
        reward=episode.reward,
        spectrum="axes" if episode.reward == "published" else "shells",
        averaging_time=episode.averaging_time,
        **options,
    )


def _form(agents: Agents) -> AbstractCoefficientForm:
    match agents.form:
        case "leith":
            return LeithForm(average=agents.average)
        case "smagorinsky":
            return SmagorinskyForm(average=agents.average)
        case "backscatter":
            return BackscatterForm()


def _untrained_policy(
    settings: TurbulencePPO | TurbulenceVRACER, environment: TurbulenceEnvironment
) -> GaussianPolicy:
    agents: Agents = settings.agents
    policy = GaussianPolicy.initial(
        environment.observation_size,
        environment.action_size,
        width=agents.width,
        depth=agents.depth,
        std=settings.training.initial_std,
        key=jax.random.key(settings.seed),
    )
    start = first_bias(environment.form, agents.start, "agents.start")
    bias = jnp.asarray(start, policy.log_std.dtype)
    return eqx.tree_at(lambda policy: policy.network.layers[-1].bias, policy, bias)

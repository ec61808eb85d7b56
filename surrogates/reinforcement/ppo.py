"""Proximal policy optimisation."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import optax
import xarray as xr
from jax import lax
from jaxtyping import Array, Float, Int, Key, PyTree

from closurax.physics.errors import ClosuraxError

from . import diagonal_normal
from .actor_critic_step import actor_critic_step
from .check_learning import check_learning
from .check_settings import check_settings
from .default_critic import default_critic
from .discounted_returns import discounted_returns
from .environment import AbstractEnvironment
from .flat_parameters import flat_parameters
from .gaussian_policy import GaussianPolicy
from .generalised_advantages import generalised_advantages
from .learning_loop import Callback, learn, training_identity
from .rollout import Episodes, Transitions, episode_summary, rollout, start_episodes
from .running_moments import RETURN_SHARE, RunningMoments
from .state_value import StateValue

# Beyond this the ratio of two probabilities is not computed but set.
_LARGEST_LOG_RATIO = 20.0
_COLUMNS = {
    "policy_loss": ("1", "clipped surrogate objective with the opposite sign"),
    "value_loss": ("1", "half of the mean squared error of the normalised values"),
    "entropy": ("1", "entropy of the policy before tanh"),
    "kl": ("1", "Kullback-Leibler divergence of the old from the new policy"),
    "clip_fraction": ("1", "fraction of the probability ratios beyond the clipping range"),
    "update_fraction": ("1", "fraction of the updates made before the divergence stopped them"),
}


class PPOResult(NamedTuple):
    """The policy and the critic after the last iteration, and what happened."""

    policy: GaussianPolicy
    critic: StateValue
    history: xr.Dataset


@dataclasses.dataclass(frozen=True)
class _Settings:
    environments: int
    steps: int
    epochs: int
    mini_batches: int
    learning_rate: float
    critic_learning_rate: float
    final_learning_rate: float | None
    iterations: int | None
    discount: float
    trace: float
    clip: float
    entropy_weight: float
    max_gradient_norm: float
    target_kl: float | None
    normalise_observations: bool

    def __post_init__(self):
        check_settings(
            self,
            at_least_one=("environments", "steps", "epochs", "mini_batches"),
            positive=("learning_rate", "critic_learning_rate", "clip", "max_gradient_norm"),
            fractions=("discount", "trace"),
        )
        if self.mini_batches > self.environments * self.steps:
            raise ClosuraxError(
                f"{self.environments * self.steps} transitions cannot make {self.mini_batches} "
                "mini-batches."
            )

    def optimiser(self, rate: float) -> optax.GradientTransformation:
        schedule: float | optax.Schedule = rate
        if self.final_learning_rate is not None and self.iterations is not None:
            updates = self.iterations * self.epochs * self.mini_batches
            schedule = optax.linear_schedule(rate, self.final_learning_rate, updates)
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), optax.adam(schedule))

    @property
    def policy_optimiser(self) -> optax.GradientTransformation:
        return self.optimiser(self.learning_rate)

    @property
    def critic_optimiser(self) -> optax.GradientTransformation:
        return self.optimiser(self.critic_learning_rate)


def train_ppo(
    policy: GaussianPolicy,
    environment: AbstractEnvironment,
    *,
    critic: StateValue | None = None,
    iterations: int,
    environments: int = 16,
    steps: int = 128,
    epochs: int = 10,
    mini_batches: int = 8,
    learning_rate: float = 3e-4,
    critic_learning_rate: float | None = None,
    final_learning_rate: float | None = None,
    discount: float = 0.99,
    trace: float = 0.95,
    clip: float = 0.2,
    entropy_weight: float = 0.0,
    max_gradient_norm: float = 0.5,
    target_kl: float | None = None,
    normalise_observations: bool = True,
    seed: int,
    checkpoint_every: int = 10,
    out: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    callback: Callback | None = None,
) -> PPOResult:
    r"""Proximal policy optimisation with a clipped objective (Schulman et al. 2017,
    arXiv 1707.06347, eq. 7).

    Each iteration lets the policy act for `steps` in a batch of environments, and then ascends
    $\langle \min(\rho A, \mathrm{clip}(\rho, 1 - \epsilon, 1 + \epsilon) A) \rangle$ for some
    epochs, where $\rho$ is the ratio of the probabilities of an action with the new and with the
    old policy, and $A$ its generalised advantage, standardised over the iteration. All agents
    share the policy, the reward and so the advantage; each has its own ratio, and the critic sees
    all of them (Yu et al. 2022, arXiv 2103.01955).

    One iteration, the simulation included, is one compiled function. With `out` the folder holds,
    after every `checkpoint_every` iterations and at the end, `policy.npz` for
    `closurax.surrogates.load`, `history.nc`, and `last.npz`, from which a killed training goes on
    to end with the same arrays, bit by bit, as one that was not.

    **Arguments:**

    - `policy`: to start from.
    - `critic`: the value to start from; by default `StateValue.initial` with a network like that
        of the policy.
    - `iterations`: how many there are in the end.
    - `environments`, `steps`: the batch of environments, and how far each goes in an iteration.
    - `epochs`, `mini_batches`: how often the transitions of an iteration are used, and in how
        many parts. A part has whole transitions, with all agents; what is left over is dropped.
    - `learning_rate`, `critic_learning_rate`: of Adam; the second is like the first by default.
    - `final_learning_rate`: at the last iteration; it is constant by default.
    - `discount`, `trace`: $\gamma$ and $\lambda$ of the advantages.
    - `clip`: $\epsilon$.
    - `entropy_weight`: of the entropy before tanh in the objective.
    - `max_gradient_norm`: longer gradients, of the policy and of the critic, are shortened.
    - `target_kl`: no more updates in an iteration after the divergence from the old policy in a
        mini-batch has been larger.
    - `normalise_observations`: whether the normalisers of policy and critic follow the
        observations, from a first iteration without learning on. Otherwise they stay.
    - `seed`: of everything random.
    - `out`: a folder, made if needed.
    - `resume`: go on from `last.npz` in `out`, if there is one; otherwise it is replaced.
    - `progress`: whether to show a bar with the mean return.
    - `callback`: called after each iteration with its number, the policy and the row of the
        history; the training ends when it returns true.

    Raises `ClosuraxError` for settings that do not fit, before any work, or if a loss becomes
    NaN or infinite; `SurrogateFileError` for a checkpoint of another training.
    """
    settings = _Settings(
        environments=environments,
        steps=steps,
        epochs=epochs,
        mini_batches=mini_batches,
        learning_rate=learning_rate,
        critic_learning_rate=learning_rate
        if critic_learning_rate is None
        else critic_learning_rate,
        final_learning_rate=final_learning_rate,
        # They are only part of what the training is if the learning rate depends on them.
        iterations=None if final_learning_rate is None else iterations,
        discount=discount,
        trace=trace,
        clip=clip,
        entropy_weight=entropy_weight,
        max_gradient_norm=max_gradient_norm,
        target_kl=target_kl,
        normalise_observations=normalise_observations,
    )
    key, start_key, critic_key = jr.split(jr.key(seed), 3)
    if critic is None:
        critic = default_critic(policy, environment, critic_key)
    check_learning(policy, critic, environment)
    state = _State(
        policy=policy,
        critic=critic,
        policy_optimiser=settings.policy_optimiser.init(flat_parameters(policy)[0]),
        critic_optimiser=settings.critic_optimiser.init(flat_parameters(critic)[0]),
        episodes=start_episodes(environment, environments, start_key),
        discounted=jnp.zeros(environments),
        observation_moments=RunningMoments.none(environment.observation_size, least_share=0.0),
        return_moments=RunningMoments.none(least_share=RETURN_SHARE),
        iteration=jnp.zeros((), jnp.int32),
    )

    def iterate(state: _State, learn: bool) -> tuple[_State, dict[str, Array]]:
        return _iterate((environment, settings, key, jnp.asarray(learn)), state)

    state, history = learn(
        iterate,
        state,
        warm_up=1,
        iterations=iterations,
        columns=_COLUMNS,
        identity=training_identity(
            "PPO", policy, critic, environment, dataclasses.asdict(settings), seed
        ),
        checkpoint_every=checkpoint_every,
        out=out,
        resume=resume,
        progress=progress,
        callback=callback,
    )
    return PPOResult(state.policy, state.critic, history)


class _State(NamedTuple):
    policy: GaussianPolicy
    critic: StateValue
    policy_optimiser: PyTree
    critic_optimiser: PyTree
    episodes: Episodes
    discounted: Float[Array, " environment"]
    observation_moments: RunningMoments
    return_moments: RunningMoments
    iteration: Int[Array, ""]


_Modules = tuple[Callable[[Array], GaussianPolicy], Callable[[Array], StateValue]]


class _Samples(NamedTuple):
    observation: Float[Array, "sample agents observation"]
    choice: Float[Array, "sample agents action"]
    log_density: Float[Array, "sample agents"]
    advantage: Float[Array, " sample"]
    target: Float[Array, " sample"]


class _Training(NamedTuple):
    policy: Float[Array, " parameter"]
    critic: Float[Array, " critic_parameter"]
    policy_optimiser: PyTree
    critic_optimiser: PyTree
    go_on: Array


@eqx.filter_jit(donate="all-except-first")
def _iterate(fixed, state: _State) -> tuple[_State, dict[str, Array]]:
    environment, settings, key, learn = fixed
    rollout_key, shuffle_key = jr.split(jr.fold_in(key, state.iteration))
    episodes, transitions = rollout(
        state.policy, environment, state.episodes, settings.steps, rollout_key
    )
    samples = _samples(state.policy, state.critic, transitions, settings)
    policy_vector, policy_of = flat_parameters(state.policy)
    critic_vector, critic_of = flat_parameters(state.critic)
    training = _Training(
        policy_vector, critic_vector, state.policy_optimiser, state.critic_optimiser, learn
    )
    modules = (policy_of, critic_of)
    training, metrics = _update(training, modules, samples, settings, shuffle_key)
    policy, critic = policy_of(training.policy), critic_of(training.critic)

    discounted, returns = discounted_returns(
        state.discounted, transitions.reward, transitions.ended, settings.discount
    )
    return_moments = state.return_moments.updated(returns.reshape(-1))
    critic = eqx.tree_at(lambda c: c.value_normaliser, critic, return_moments.standardiser())
    observation_moments = state.observation_moments
    if settings.normalise_observations:
        seen = transitions.observation.reshape(-1, environment.observation_size)
        observation_moments = observation_moments.updated(seen)
        normaliser = observation_moments.standardiser()
        policy = eqx.tree_at(lambda p: p.normaliser, policy, normaliser)
        critic = eqx.tree_at(lambda c: c.normaliser, critic, normaliser)
    state = _State(
        policy=policy,
        critic=critic,
        policy_optimiser=training.policy_optimiser,
        critic_optimiser=training.critic_optimiser,
        episodes=episodes,
        discounted=discounted,
        observation_moments=observation_moments,
        return_moments=return_moments,
        iteration=state.iteration + 1,
    )
    return state, {**episode_summary(transitions), **metrics}


def _samples(
    policy: GaussianPolicy, critic: StateValue, transitions: Transitions, settings: _Settings
) -> _Samples:
    value = jax.vmap(jax.vmap(critic))
    values = value(transitions.observation)
    advantages = generalised_advantages(
        transitions.reward,
        values,
        value(transitions.next_observation),
        transitions.terminated,
        transitions.truncated,
        discount=settings.discount,
        trace=settings.trace,
    )
    targets = critic.value_normaliser.normalise(values + advantages)
    std = jnp.std(advantages)
    advantages = (advantages - jnp.mean(advantages)) / jnp.where(std > 0, std, 1.0)
    samples = _Samples(
        observation=transitions.observation,
        choice=transitions.choice,
        log_density=_log_density(policy, transitions.choice, transitions.mean),
        advantage=advantages,
        target=targets,
    )
    return jtu.tree_map(lambda x: x.reshape(-1, *x.shape[2:]), samples)


def _update(
    training: _Training,
    modules: _Modules,
    samples: _Samples,
    settings: _Settings,
    key: Key[Array, ""],
) -> tuple[_Training, dict[str, Array]]:
    """All epochs of an iteration, unless they are not to begin or are stopped."""
    number = samples.advantage.shape[0]
    size = number // settings.mini_batches
    orders = jnp.argsort(jr.bits(key, (settings.epochs, number)), axis=1)
    rows = orders[:, : size * settings.mini_batches].reshape(-1, size)

    def body(training: _Training, chosen: Array):
        batch = jtu.tree_map(lambda x: x[chosen], samples)
        return lax.cond(
            training.go_on,
            lambda training: _descend(training, modules, batch, settings),
            lambda training: (training, _nothing()),
            training,
        )

    training, metrics = lax.scan(body, training, rows)
    made = jnp.sum(metrics["update_fraction"])
    mean = {name: jnp.sum(values) / jnp.maximum(made, 1.0) for name, values in metrics.items()}
    return training, {**mean, "update_fraction": made / len(rows)}


def _nothing() -> dict[str, Array]:
    return {name: jnp.zeros(()) for name in _COLUMNS}


def _descend(
    training: _Training, modules: _Modules, batch: _Samples, settings: _Settings
) -> tuple[_Training, dict[str, Array]]:
    policy_of, critic_of = modules

    def loss(vectors):
        policy, critic = policy_of(vectors[0]), critic_of(vectors[1])
        mean = jax.vmap(jax.vmap(policy.mean))(batch.observation)
        log_ratio = _log_density(policy, batch.choice, mean) - batch.log_density
        log_ratio = jnp.clip(log_ratio, -_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO)
        ratio = jnp.exp(log_ratio)
        clipped = jnp.clip(ratio, 1 - settings.clip, 1 + settings.clip)
        advantage = jnp.broadcast_to(batch.advantage[:, None], ratio.shape)
        policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
        value = jax.vmap(critic.normalised)(batch.observation)
        value_loss = 0.5 * jnp.mean((value - batch.target) ** 2)
        entropy = policy.entropy()
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            # Not negative and of little variance, unlike the mean of the logarithm.
            "kl": jnp.mean(ratio - 1 - log_ratio),
            "clip_fraction": jnp.mean(jnp.abs(ratio - 1) > settings.clip),
            "update_fraction": jnp.ones(()),
        }
        # The networks are separate, and so are their optimisers.
        return policy_loss - settings.entropy_weight * entropy + value_loss, metrics

    gradients, metrics = jax.grad(loss, has_aux=True)((training.policy, training.critic))
    go_on = jnp.ones((), bool)
    if settings.target_kl is not None:
        go_on = metrics["kl"] <= settings.target_kl
    training = actor_critic_step(training, gradients, settings)._replace(go_on=go_on)
    return training, metrics


def _log_density(policy: GaussianPolicy, choice: Array, mean: Array) -> Array:
    """Before tanh: its slope is the same for all policies."""
    log_std = jnp.broadcast_to(policy.log_std, mean.shape)
    return diagonal_normal.log_density(choice, mean, log_std)

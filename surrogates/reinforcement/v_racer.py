"""Off-policy learning with rules that keep the policy close to its experience."""

import dataclasses
import math
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
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

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
from .learning_loop import Callback, learn, training_identity
from .replay_memory import ReplayMemory, trace_weight
from .rollout import Episodes, episode_summary, rollout, start_episodes
from .running_moments import RETURN_SHARE, RunningMoments
from .state_value import StateValue

# After so many updates the estimates of all action values are computed anew.
_UPDATES_TOGETHER = 16

# Beyond this the ratio of two probabilities is not computed but set.
_LARGEST_LOG_RATIO = 20.0
_COLUMNS = {
    "policy_loss": ("1", "objective of the policy with the opposite sign"),
    "value_loss": ("1", "half of the mean squared error of the normalised values"),
    "entropy": ("1", "entropy of the policy before tanh"),
    "kl": ("1", "Kullback-Leibler divergence of the behaviour in memory from the policy"),
    "far_policy_fraction": ("1", "fraction of the experience in memory that is far-policy"),
    "penalty_coefficient": ("1", "weight of the policy gradient against that of the divergence"),
}


class VRacerResult(NamedTuple):
    """The policy and the critic after the last iteration, and what happened."""

    policy: GaussianPolicy
    critic: StateValue
    history: xr.Dataset


@dataclasses.dataclass(frozen=True)
class _Settings:
    environments: int
    steps: int
    batch_size: int
    updates_per_experience: float
    capacity: int
    start: int
    learning_rate: float
    critic_learning_rate: float
    discount: float
    cutoff: float
    annealing: float
    beta: float
    far_policy_target: float
    l2: float
    max_gradient_norm: float | None
    normalise_observations: bool

    def __post_init__(self):
        check_settings(
            self,
            at_least_one=("environments", "steps", "batch_size", "start"),
            positive=("updates_per_experience", "learning_rate", "critic_learning_rate", "cutoff"),
            fractions=("discount", "beta", "far_policy_target"),
        )
        for name in ("annealing", "l2"):
            if not getattr(self, name) >= 0:
                raise ClosuraxError(f"`{name}` must not be negative: {getattr(self, name)}.")
        # A rollout may be followed by a slot for each truncation.
        if self.slots < 2 * self.steps + 1 or self.start > self.capacity:
            raise ClosuraxError(
                f"A memory of `capacity` = {self.capacity} is too small for {self.environments} "
                f"environments of {self.steps} steps and `start` = {self.start}: it must hold "
                "`start`, and more than two rollouts."
            )

    @property
    def slots(self) -> int:
        return self.capacity // self.environments

    @property
    def first_iterations(self) -> int:
        return math.ceil(self.start / (self.environments * self.steps))

    @property
    def updates(self) -> tuple[int, int]:
        """How many groups of how many updates there are in an iteration."""
        updates = max(1, round(self.updates_per_experience * self.environments * self.steps))
        groups = max(1, round(updates / _UPDATES_TOGETHER))
        return groups, round(updates / groups)

    def annealed(self, value: float) -> Callable[[Array], Array]:
        """`value`, and less after many updates."""
        return lambda updates: value / (1 + self.annealing * updates.astype(jnp.float32))

    def optimiser(self, rate: float) -> optax.GradientTransformation:
        adam = optax.adam(self.annealed(rate))
        if self.max_gradient_norm is None:
            return adam
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), adam)

    @property
    def policy_optimiser(self) -> optax.GradientTransformation:
        return self.optimiser(self.learning_rate)

    @property
    def critic_optimiser(self) -> optax.GradientTransformation:
        return self.optimiser(self.critic_learning_rate)


def train_v_racer(
    policy: GaussianPolicy,
    environment: AbstractEnvironment,
    *,
    critic: StateValue | None = None,
    iterations: int,
    environments: int = 10,
    steps: int = 100,
    batch_size: int = 256,
    updates_per_experience: float = 1.0,
    capacity: int = 100_000,
    start: int = 10_000,
    learning_rate: float = 1e-4,
    critic_learning_rate: float | None = None,
    discount: float = 0.995,
    cutoff: float = 5.0,
    annealing: float = 5e-8,
    beta: float = 0.3,
    far_policy_target: float = 0.1,
    l2: float = 1e-4,
    max_gradient_norm: float | None = None,
    normalise_observations: bool = True,
    seed: int,
    checkpoint_every: int = 10,
    out: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    callback: Callback | None = None,
) -> VRacerResult:
    r"""V-RACER with the rules of ReF-ER (Novati and Koumoutsakos 2019, arXiv 1807.05827).

    Transitions are used many times, from a replay memory that holds with each action the normal
    distribution $\mu$ that it was drawn from. With $\rho = \pi(a|s) / \mu(a|s)$,
    $\hat Q$ from `retrace_values`, and $A = \hat Q - V(s)$ in units of the root mean square of the
    rewards in memory, an update descends

    $$-\beta \langle \rho A \rangle_\mathrm{near} + (1 - \beta) \langle D(\mu \| \pi) \rangle,$$

    where the first mean has no contribution of what is far-policy, $\rho > c$ or $\rho < 1/c$
    with $c = 1 + C / (1 + \eta_a t)$ after $t$ updates, and $D$ is the Kullback-Leibler
    divergence. Of each update $\beta$ moves by the learning rate to 1 if the far-policy fraction
    of the memory is below its target, and to 0 otherwise. The critic descends
    $\frac12 (V(s) - \hat V)^2$ in a network of its own.

    All agents share the policy, the reward and the value; each has its own $\rho$. The defaults
    are those of Mojgani et al. (2023, arXiv 2312.00907). One iteration, the simulation included,
    is one compiled function, and the memory stays on the device. What `out` holds is described
    at `train_ppo`, but here it also holds the memory.

    **Arguments:**

    - `policy`: to start from.
    - `critic`: the value to start from; by default `StateValue.initial` with a network like that
        of the policy.
    - `iterations`: how many there are in the end.
    - `environments`, `steps`: the batch of environments, and how far each goes in an iteration,
        with one policy.
    - `batch_size`: transitions of an update, each with all agents.
    - `updates_per_experience`: updates for each new transition, up to rounding.
    - `capacity`, `start`: transitions that the memory holds, and that are collected before the
        first update. The slots after truncated episodes count as well.
    - `learning_rate`, `critic_learning_rate`: of Adam; the second is like the first by default.
    - `discount`: $\gamma$.
    - `cutoff`, `annealing`: $C$ and $\eta_a$; the latter also makes the learning rates
        smaller, by the same factor.
    - `beta`, `far_policy_target`: $\beta$ at the start, and the fraction that it is adapted to.
    - `l2`: weight of half of the squares of all parameters of the networks.
    - `max_gradient_norm`: longer gradients are shortened; by default none is.
    - `normalise_observations`: whether the normalisers of policy and critic are fitted to the
        observations before the first update.
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
        batch_size=batch_size,
        updates_per_experience=updates_per_experience,
        capacity=capacity,
        start=start,
        learning_rate=learning_rate,
        critic_learning_rate=(
            learning_rate if critic_learning_rate is None else critic_learning_rate
        ),
        discount=discount,
        cutoff=cutoff,
        annealing=annealing,
        beta=beta,
        far_policy_target=far_policy_target,
        l2=l2,
        max_gradient_norm=max_gradient_norm,
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
        beta=jnp.asarray(beta, jnp.float32),
        updates=jnp.zeros((), jnp.int32),
        memory=ReplayMemory.empty(environment, settings.slots, environments),
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
        warm_up=settings.first_iterations,
        iterations=iterations,
        columns=_COLUMNS,
        identity=training_identity(
            "V-RACER", policy, critic, environment, dataclasses.asdict(settings), seed
        ),
        checkpoint_every=checkpoint_every,
        out=out,
        resume=resume,
        progress=progress,
        callback=callback,
    )
    return VRacerResult(state.policy, state.critic, history)


class _State(NamedTuple):
    policy: GaussianPolicy
    critic: StateValue
    policy_optimiser: PyTree
    critic_optimiser: PyTree
    beta: Float[Array, ""]
    updates: Int[Array, ""]
    memory: ReplayMemory
    episodes: Episodes
    discounted: Float[Array, " environment"]
    observation_moments: RunningMoments
    return_moments: RunningMoments
    iteration: Int[Array, ""]


class _Training(NamedTuple):
    policy: Float[Array, " parameter"]
    critic: Float[Array, " critic_parameter"]
    policy_optimiser: PyTree
    critic_optimiser: PyTree
    beta: Float[Array, ""]
    updates: Int[Array, ""]
    value: Float[Array, "slot environment"]
    log_weight: Float[Array, "slot environment agents"]


_Modules = tuple[Callable[[Array], GaussianPolicy], Callable[[Array], StateValue]]


class _Batch(NamedTuple):
    observation: Float[Array, "sample agents observation"]
    choice: Float[Array, "sample agents action"]
    mean: Float[Array, "sample agents action"]
    log_std: Float[Array, "sample action"]
    action_value: Float[Array, " sample"]
    is_transition: Bool[Array, " sample"]


@eqx.filter_jit(donate="all-except-first")
def _iterate(fixed, state: _State) -> tuple[_State, dict[str, Array]]:
    environment, settings, key, learn = fixed
    rollout_key, update_key = jr.split(jr.fold_in(key, state.iteration))
    episodes, transitions = rollout(
        state.policy, environment, state.episodes, settings.steps, rollout_key
    )
    policy, critic = state.policy, state.critic
    value = jax.vmap(jax.vmap(critic))
    memory = state.memory.extended(
        transitions,
        policy.log_std,
        value(transitions.observation),
        value(transitions.next_observation),
    )
    discounted, returns = discounted_returns(
        state.discounted, transitions.reward, transitions.ended, settings.discount
    )
    return_moments = state.return_moments.updated(returns.reshape(-1))
    critic = eqx.tree_at(lambda c: c.value_normaliser, critic, return_moments.standardiser())
    observation_moments = state.observation_moments
    if settings.normalise_observations:
        seen = transitions.observation.reshape(-1, environment.observation_size)
        observation_moments = jtu.tree_map(
            lambda old, new: jnp.where(learn, old, new),
            observation_moments,
            observation_moments.updated(seen),
        )
        normaliser = observation_moments.standardiser()
        policy = eqx.tree_at(lambda p: p.normaliser, policy, normaliser)
        critic = eqx.tree_at(lambda c: c.normaliser, critic, normaliser)

    policy_vector, policy_of = flat_parameters(policy)
    critic_vector, critic_of = flat_parameters(critic)
    training = _Training(
        policy=policy_vector,
        critic=critic_vector,
        policy_optimiser=state.policy_optimiser,
        critic_optimiser=state.critic_optimiser,
        beta=state.beta,
        updates=state.updates,
        value=memory.value,
        log_weight=memory.log_weight,
    )
    training, metrics = lax.cond(
        learn,
        lambda training: _update(training, (policy_of, critic_of), memory, settings, update_key),
        lambda training: (training, {name: jnp.zeros(()) for name in _COLUMNS}),
        training,
    )
    state = _State(
        policy=policy_of(training.policy),
        critic=critic_of(training.critic),
        policy_optimiser=training.policy_optimiser,
        critic_optimiser=training.critic_optimiser,
        beta=training.beta,
        updates=training.updates,
        memory=memory._replace(value=training.value, log_weight=training.log_weight),
        episodes=episodes,
        discounted=discounted,
        observation_moments=observation_moments,
        return_moments=return_moments,
        iteration=state.iteration + 1,
    )
    return state, {**episode_summary(transitions), **metrics}


def _update(
    training: _Training,
    modules: _Modules,
    memory: ReplayMemory,
    settings: _Settings,
    key: Key[Array, ""],
) -> tuple[_Training, dict[str, Array]]:
    """All updates of an iteration, in groups that share their estimates of action values."""
    groups, size = settings.updates
    is_transition = memory.is_transition()
    number = jnp.sum(is_transition).astype(jnp.float32)
    squares = jnp.sum(jnp.where(is_transition, memory.reward**2, 0.0)) / number
    unit = jnp.where(squares > 0, jnp.sqrt(squares), 1.0)

    def group(training: _Training, keys: Array):
        now = memory._replace(value=training.value, log_weight=training.log_weight)
        action_values = now.action_values(settings.discount)
        is_far = jnp.mean(_is_far(now.log_weight, training.updates, settings), axis=-1)
        far = jnp.sum(jnp.where(is_transition, is_far, 0.0)) / number

        def update(training: _Training, key: Array):
            at = memory.draw(settings.batch_size, key)
            batch = _Batch(
                observation=memory.observation[at],
                choice=memory.choice[at],
                mean=memory.mean[at],
                log_std=memory.log_std[at],
                action_value=action_values[at],
                is_transition=~memory.closing[at],
            )
            training, value, log_weight, metrics = _descend(
                training, modules, batch, unit, settings
            )
            rate = settings.annealed(settings.learning_rate)(training.updates)
            towards = jnp.where(far < settings.far_policy_target, rate, 0.0)
            training = training._replace(
                beta=(1 - rate) * training.beta + towards,
                updates=training.updates + 1,
                value=training.value.at[at].set(value),
                log_weight=training.log_weight.at[at].set(log_weight),
            )
            metrics |= {"far_policy_fraction": far, "penalty_coefficient": training.beta}
            return training, metrics

        return lax.scan(update, training, keys)

    training, metrics = lax.scan(group, training, jr.split(key, (groups, size)))
    return training, {name: jnp.mean(values) for name, values in metrics.items()}


def _is_far(log_weight: Array, updates: Array, settings: _Settings) -> Array:
    cutoff = jnp.log1p(settings.annealed(settings.cutoff)(updates))
    return jnp.abs(log_weight) > cutoff


def _descend(
    training: _Training, modules: _Modules, batch: _Batch, unit: Array, settings: _Settings
):
    """One update; the values and the logarithms of the weights before it are returned as well."""
    policy_of, critic_of = modules

    def loss(vectors):
        policy, critic = policy_of(vectors[0]), critic_of(vectors[1])
        mean = jax.vmap(jax.vmap(policy.mean))(batch.observation)
        log_std = jnp.broadcast_to(policy.log_std, mean.shape)
        old_log_std = jnp.broadcast_to(batch.log_std[:, None], mean.shape)
        log_weight = diagonal_normal.log_density(batch.choice, mean, log_std)
        log_weight -= diagonal_normal.log_density(batch.choice, batch.mean, old_log_std)
        log_weight = jnp.clip(log_weight, -_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO)
        kl = diagonal_normal.divergence(batch.mean, old_log_std, mean, log_std)
        normalised = jax.vmap(critic.normalised)(batch.observation)
        value = critic.value_normaliser.denormalise(normalised)

        error = lax.stop_gradient(batch.action_value - value)
        is_transition = batch.is_transition.astype(error.dtype)
        number = jnp.maximum(jnp.sum(is_transition), 1.0)
        near = ~_is_far(log_weight, training.updates, settings)
        gain = jnp.exp(log_weight) * jnp.broadcast_to((error / unit)[:, None], near.shape)
        gain = jnp.mean(jnp.where(near, gain, 0.0), axis=-1)
        kl = jnp.sum(is_transition * jnp.mean(kl, axis=-1)) / number
        objective = jnp.sum(is_transition * gain) / number
        policy_loss = (1 - training.beta) * kl - training.beta * objective

        target = value + trace_weight(log_weight) * error
        target = critic.value_normaliser.normalise(lax.stop_gradient(target))
        value_loss = 0.5 * jnp.sum(is_transition * (normalised - target) ** 2) / number
        squares = _sum_of_squares(policy.network) + _sum_of_squares(critic.network)
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": policy.entropy(),
            "kl": kl,
        }
        # The networks are separate, and so are their optimisers.
        total = policy_loss + value_loss + 0.5 * settings.l2 * squares
        return total, (value, log_weight, metrics)

    gradients, (value, log_weight, metrics) = jax.grad(loss, has_aux=True)(
        (training.policy, training.critic)
    )
    training = actor_critic_step(training, gradients, settings)
    return training, value, log_weight, metrics


def _sum_of_squares(network: PyTree) -> Float[Array, ""]:
    arrays = jtu.tree_leaves(eqx.filter(network, eqx.is_inexact_array))
    return sum((jnp.sum(array**2) for array in arrays), jnp.zeros(()))

from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from .environment import AbstractEnvironment
from .retrace import retrace_values
from .rollout import Transitions


class ReplayMemory(NamedTuple):
    """The last transitions of each environment, in a ring of slots of fixed size.

    Each slot is followed by the next of the same environment. After a truncated transition there
    is a `closing` slot with the last observation and no action, so that its value is kept as
    fresh as all others. `value` and `log_weight`, the logarithm of the probability of the choice
    relative to that when it was made, are those of the policy that last looked at the slot.
    """

    observation: Float[Array, "slot environment agents observation"]
    choice: Float[Array, "slot environment agents action"]
    mean: Float[Array, "slot environment agents action"]
    log_std: Float[Array, "slot environment action"]
    reward: Float[Array, "slot environment"]
    terminated: Bool[Array, "slot environment"]
    closing: Bool[Array, "slot environment"]
    value: Float[Array, "slot environment"]
    log_weight: Float[Array, "slot environment agents"]
    written: Int[Array, " environment"]

    @classmethod
    def empty(
        cls, environment: AbstractEnvironment, slots: int, environments: int
    ) -> "ReplayMemory":
        """For `slots` transitions of each environment."""
        ring = (slots, environments)
        action = (environment.agents, environment.action_size)
        return cls(
            observation=jnp.zeros((*ring, environment.agents, environment.observation_size)),
            choice=jnp.zeros((*ring, *action)),
            mean=jnp.zeros((*ring, *action)),
            log_std=jnp.zeros((*ring, environment.action_size)),
            reward=jnp.zeros(ring),
            terminated=jnp.zeros(ring, bool),
            closing=jnp.zeros(ring, bool),
            value=jnp.zeros(ring),
            log_weight=jnp.zeros((*ring, environment.agents)),
            written=jnp.zeros(environments, jnp.int32),
        )

    @property
    def slots(self) -> int:
        return self.reward.shape[0]

    def extended(
        self,
        transitions: Transitions,
        log_std: Float[Array, " action"],
        values: Float[Array, "time environment"],
        next_values: Float[Array, "time environment"],
    ) -> "ReplayMemory":
        """With the transitions of a rollout in place of the oldest."""
        times, environments = transitions.reward.shape
        closings = transitions.truncated.astype(jnp.int32)
        place = self.written[None] + jnp.arange(times)[:, None] + jnp.cumsum(closings, 0) - closings
        ring = jnp.broadcast_to(jnp.arange(environments)[None], place.shape)
        at = (place % self.slots, ring)
        # Out of the ring, where it is dropped, unless the transition is truncated.
        closing_at = (jnp.where(transitions.truncated, (place + 1) % self.slots, self.slots), ring)

        def put(array: Array, new: Array, closing: Array | None = None) -> Array:
            array = array.at[at].set(new.astype(array.dtype))
            closing = jnp.zeros_like(new) if closing is None else closing
            return array.at[closing_at].set(closing.astype(array.dtype), mode="drop")

        no = jnp.zeros((times, environments), bool)
        return ReplayMemory(
            observation=put(
                self.observation, transitions.observation, transitions.next_observation
            ),
            choice=put(self.choice, transitions.choice),
            mean=put(self.mean, transitions.mean),
            log_std=put(
                self.log_std,
                jnp.broadcast_to(log_std, (times, environments, log_std.size)),
            ),
            reward=put(self.reward, transitions.reward),
            terminated=put(self.terminated, transitions.terminated, no),
            closing=put(self.closing, no, ~no),
            value=put(self.value, values, next_values),
            log_weight=put(
                self.log_weight, jnp.zeros((times, environments, self.log_weight.shape[-1]))
            ),
            written=self.written + times + jnp.sum(closings, axis=0),
        )

    def age(self) -> Int[Array, "slot environment"]:
        """How many slots of the same environment were written after each."""
        slot = jnp.arange(self.slots, dtype=jnp.int32)
        return (self.written[None] - 1 - slot[:, None]) % self.slots

    def is_transition(self) -> Bool[Array, "slot environment"]:
        """Which slots hold a transition, and what followed on it."""
        age = self.age()
        filled = jnp.minimum(self.written, self.slots)
        return (age >= 1) & (age < filled[None]) & ~self.closing

    def draw(self, number: int, key: Key[Array, ""]) -> tuple[Array, Array]:
        """Slots and environments of transitions and of closing slots, uniformly."""
        environment_key, age_key = jr.split(key)
        environment = jr.randint(environment_key, (number,), 0, self.written.size)
        written = self.written[environment]
        age = jr.randint(age_key, (number,), 1, jnp.minimum(written, self.slots))
        return (written - 1 - age) % self.slots, environment

    def action_values(self, discount: float) -> Float[Array, "slot environment"]:
        r"""$\hat Q_t = r_t + \gamma \hat V_{t+1}$ by Retrace.

        The newest slot has only its value to go on with. The agents share one value, and it is
        traced by the mean over the agents of their truncated weights.
        """
        values = retrace_values(
            self.reward,
            self.value,
            trace_weight(self.log_weight),
            self.terminated,
            self.closing | (self.age() == 0),
            discount=discount,
        )
        following = jnp.roll(values, -1, axis=0)
        following = jnp.where(self.terminated, jnp.zeros_like(following), following)
        return self.reward + discount * following


def trace_weight(log_weight: Float[Array, "*batch agents"]) -> Float[Array, "*batch"]:
    """The mean over the agents of the importance weights, each at most one."""
    return jnp.mean(jnp.exp(jnp.minimum(log_weight, jnp.zeros_like(log_weight))), axis=-1)

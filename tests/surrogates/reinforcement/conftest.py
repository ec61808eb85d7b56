"""Control tasks with known answers."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg
from jaxtyping import Array, Float

from closurax.surrogates.reinforcement import AbstractEnvironment, Step


class LinearQuadratic(AbstractEnvironment):
    """x' = A x + B u + noise, with the reward -(x' Q x + u' R u).

    Each agent has one entry of u, at most `limit`. It sees all of x, its own part first.
    """

    a: Float[Array, "state state"]
    b: Float[Array, "state agents"]
    q: Float[Array, "state state"]
    r: Float[Array, "agents agents"]
    limit: float
    noise: float
    agents: int
    observation_size: int
    action_size: int
    horizon: int

    def __init__(self, a, b, q, r, *, limit, noise, horizon):
        self.a, self.b, self.q, self.r = (jnp.asarray(m, jnp.float32) for m in (a, b, q, r))
        self.limit, self.noise, self.horizon = limit, noise, horizon
        self.observation_size, self.agents = np.shape(b)
        self.action_size = 1

    def reset(self, key):
        return jr.uniform(key, (self.observation_size,), minval=-1.0, maxval=1.0)

    def observe(self, state):
        own = self.observation_size // self.agents
        return jnp.stack([jnp.roll(state, -own * agent) for agent in range(self.agents)])

    def step(self, state, action, key):
        u = self.limit * action[:, 0]
        reward = -(state @ self.q @ state + u @ self.r @ u)
        noise = self.noise * jr.normal(key, state.shape)
        return Step(self.a @ state + self.b @ u + noise, reward, jnp.zeros((), bool))

    def optimal_gain(self, discount):
        a, b, q, r = (np.asarray(m, float) for m in (self.a, self.b, self.q, self.r))
        a, b = np.sqrt(discount) * a, np.sqrt(discount) * b
        p = scipy.linalg.solve_discrete_are(a, b, q, r)
        return np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)

    def expected_return(self, gain):
        """That of u = -K x over an episode, without discount."""
        a, b, q, r = (np.asarray(m, float) for m in (self.a, self.b, self.q, self.r))
        closed = a - b @ gain
        p, constant = np.zeros_like(a), 0.0
        for _ in range(self.horizon):
            constant += self.noise**2 * np.trace(p)
            p = q + gain.T @ r @ gain + closed.T @ p @ closed
        return -(np.trace(p) / 3 + constant)


class Pendulum(AbstractEnvironment):
    """The swing-up of a pendulum with a torque too weak to lift it at once.

    The task of the same name in OpenAI Gym: 200 steps, and 0 at best in each.
    """

    agents: int = 1
    observation_size: int = 3
    action_size: int = 1
    horizon: int = 200

    def reset(self, key):
        return jr.uniform(key, (2,), minval=-1.0, maxval=1.0) * jnp.array([jnp.pi, 1.0])

    def observe(self, state):
        angle, speed = state
        return jnp.stack([jnp.cos(angle), jnp.sin(angle), speed])[None]

    def step(self, state, action, key):
        angle, speed = state
        torque = 2 * action[0, 0]
        wrapped = (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi
        reward = -(wrapped**2 + 0.1 * speed**2 + 0.001 * torque**2)
        speed = jnp.clip(speed + 0.05 * (15 * jnp.sin(angle) + 3 * torque), -8.0, 8.0)
        return Step(jnp.stack([angle + 0.05 * speed, speed]), reward, jnp.zeros((), bool))


class Corridor(AbstractEnvironment):
    """Two agents on a line see where they stand; the episode ends when one leaves [-1, 1]."""

    agents: int = 2
    observation_size: int = 1
    action_size: int = 1
    horizon: int = 7

    def reset(self, key):
        return {"place": jr.uniform(key, (2,), minval=-0.5, maxval=0.5), "key": key}

    def observe(self, state):
        return state["place"][:, None]

    def step(self, state, action, key):
        place = state["place"] + 0.5 * action[:, 0]
        out = jnp.any(jnp.abs(place) > 1)
        place = jnp.where(out, state["place"], place)
        reward = jnp.where(out, -10.0, -jnp.sum(place**2))
        return Step({"place": place, "key": state["key"]}, reward, out)


@pytest.fixture(scope="package")
def regulator():
    """A mass that a force brings to rest."""
    return LinearQuadratic(
        [[1.0, 0.2], [0.0, 1.0]],
        [[0.0], [0.2]],
        np.diag([1.0, 0.1]),
        [[0.1]],
        limit=10.0,
        noise=0.02,
        horizon=40,
    )


@pytest.fixture(scope="package")
def coupled_regulators():
    """Two masses with a spring between them, each with a force of its own."""
    stiffness, dt = 1.0, 0.2
    a = np.eye(4)
    a[0, 1] = a[2, 3] = dt
    a[1, [0, 2]] = a[3, [2, 0]] = -dt * stiffness, dt * stiffness
    b = np.zeros((4, 2))
    b[1, 0] = b[3, 1] = dt
    return LinearQuadratic(
        a, b, np.diag([1.0, 0.1] * 2), 0.1 * np.eye(2), limit=10.0, noise=0.02, horizon=40
    )


@pytest.fixture(scope="package")
def pendulum():
    return Pendulum()


@pytest.fixture(scope="package")
def corridor():
    return Corridor()

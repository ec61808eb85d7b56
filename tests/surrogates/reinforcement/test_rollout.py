import equinox as eqx
import jax
import numpy as np
import pytest

from closurax.surrogates.reinforcement import GaussianPolicy, episode_returns
from closurax.surrogates.reinforcement.rollout import episode_summary, rollout, start_episodes

STEPS = 30


@pytest.fixture(scope="module")
def played(corridor):
    policy = GaussianPolicy.initial(1, 1, width=4, std=0.8, key=jax.random.key(0))

    @eqx.filter_jit
    def play(policy, corridor):
        episodes = start_episodes(corridor, 5, jax.random.key(1))
        return rollout(policy, corridor, episodes, STEPS, jax.random.key(2))

    episodes, transitions = play(policy, corridor)
    return policy, episodes, jax.tree.map(np.asarray, transitions)


def test_transitions_follow_on_each_other(played):
    policy, episodes, transitions = played
    ended = transitions.terminated | transitions.truncated
    following = transitions.observation[1:]
    same = ~ended[:-1]
    np.testing.assert_array_equal(following[same], transitions.next_observation[:-1][same])
    assert (np.abs(following[~same]) <= 0.5).all(), "not started again"
    assert (following[~same] != transitions.next_observation[:-1][~same]).all()
    at_the_end = np.where(ended[-1][:, None, None], np.inf, transitions.next_observation[-1])
    found = np.where(ended[-1][:, None, None], np.inf, episodes.observations)
    np.testing.assert_array_equal(found, at_the_end)
    mean = jax.vmap(jax.vmap(jax.vmap(policy.mean)))(transitions.observation)
    np.testing.assert_allclose(transitions.mean, mean, atol=1e-6)


def test_rewards_and_ends_are_those_of_the_environment(played):
    _, _, transitions = played
    action = np.tanh(transitions.choice[..., 0])
    place = transitions.observation[..., 0] + 0.5 * action
    out = (np.abs(place) > 1).any(-1)
    np.testing.assert_array_equal(transitions.terminated, out)
    reward = np.where(out, -10, -(place**2).sum(-1))
    np.testing.assert_allclose(transitions.reward, reward, rtol=1e-5)
    assert out.any() and transitions.truncated.any()
    assert not (out & transitions.truncated).any()
    np.testing.assert_array_equal(transitions.truncated, (transitions.elapsed == 7) & ~out)


def test_summary_is_that_of_a_slow_loop(played):
    _, _, transitions = played
    ended = transitions.terminated | transitions.truncated
    returns, lengths, failures = [], [], 0
    for environment in range(5):
        total, length = 0.0, 0
        for step in range(STEPS):
            total += transitions.reward[step, environment]
            length += 1
            if ended[step, environment]:
                returns.append(total)
                lengths.append(length)
                failures += transitions.terminated[step, environment]
                total, length = 0.0, 0
    summary = episode_summary(jax.tree.map(jax.numpy.asarray, transitions))
    expected = {
        "return_mean": np.mean(returns),
        "return_min": min(returns),
        "return_max": max(returns),
        "episode_length": np.mean(lengths),
        "terminated_fraction": failures / len(returns),
    }
    assert summary.keys() == expected.keys()
    for name, value in expected.items():
        assert summary[name] == pytest.approx(value, rel=1e-5), name


def test_returns_end_with_the_episode(corridor):
    still = GaussianPolicy.initial(1, 1, width=4, std=1e-6, key=jax.random.key(0))
    returns = episode_returns(still, corridor, episodes=20, seed=0)
    assert (returns > -7 * 0.6).all(), "no episode leaves the corridor without noise"
    wild = GaussianPolicy.initial(1, 1, width=4, std=10.0, key=jax.random.key(0))
    returns = episode_returns(wild, corridor, episodes=20, seed=0, noise=True)
    assert (returns < -10).any() and (returns > -10 - 7 * 2).all()

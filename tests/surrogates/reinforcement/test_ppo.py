import equinox as eqx
import jax
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.surrogates import load, read_header
from closurax.surrogates.reinforcement import (
    GaussianPolicy,
    StateValue,
    TanhNetwork,
    episode_returns,
    train_ppo,
)

SETTINGS = {
    "iterations": 80,
    "environments": 16,
    "steps": 40,
    "mini_batches": 4,
    "discount": 0.95,
    "learning_rate": 3e-3,
    "final_learning_rate": 1e-4,
    "seed": 0,
    "progress": False,
}


class AsTheFirstAgent(eqx.Module):
    """A value that sees all of the state, as the first agent does."""

    network: TanhNetwork

    def __call__(self, observations):
        return self.network(observations[0])[0]


@pytest.fixture(scope="module")
def start():
    key = jax.random.key(0)
    policy = GaussianPolicy.initial(4, 1, width=32, std=0.2, key=key)
    network = AsTheFirstAgent(TanhNetwork(4, 1, 32, key=key))
    return policy, StateValue.initial(4, network=network)


def stop_after(number):
    return lambda iteration, policy, row: iteration == number


@pytest.fixture(scope="module")
def trained(coupled_regulators, start, tmp_path_factory):
    policy, critic = start
    out = tmp_path_factory.mktemp("ppo")
    return out, train_ppo(policy, coupled_regulators, critic=critic, out=out, **SETTINGS)


def test_agents_with_one_policy_are_nearly_optimal(coupled_regulators, start, trained):
    best = coupled_regulators.expected_return(coupled_regulators.optimal_gain(1.0))
    _, result = trained
    before, after = (
        episode_returns(policy, coupled_regulators, episodes=1000, seed=1).mean()
        for policy in (start[0], result.policy)
    )
    assert before < 3 * best
    assert 1.25 * best < after < 0.98 * best


def test_history_shows_the_learning(trained):
    _, result = trained
    history = result.history
    assert history.sizes == {"iteration": 80}
    assert all(np.isfinite(column).all() for column in history.data_vars.values())
    assert history.return_mean[-1] > history.return_mean[0]
    assert (history.episode_length == 40).all() and (history.terminated_fraction == 0).all()
    assert (history.kl >= 0).all() and history.kl.max() < 0.1
    assert history.entropy[-1] < history.entropy[0]
    assert (history.update_fraction == 1).all()


def test_file_holds_the_policy_and_how_it_was_trained(trained):
    out, result = trained
    observation = jax.numpy.arange(4.0)
    loaded = load(out / "policy.npz")
    np.testing.assert_array_equal(loaded(observation), result.policy(observation))
    provenance = read_header(out / "policy.npz")["provenance"]
    assert provenance["iterations"] == 80
    assert provenance["training"]["learner"] == "PPO"
    assert provenance["training"]["settings"]["clip"] == 0.2


def test_value_is_that_of_the_optimal_policy(coupled_regulators, trained):
    """x' P x, but for the noise, in units of the reward."""
    _, result = trained
    environment = coupled_regulators
    gain = environment.optimal_gain(0.95)
    a, b, q, r = (np.asarray(getattr(environment, name), float) for name in "abqr")
    closed, cost, p = a - b @ gain, q + gain.T @ r @ gain, np.zeros((4, 4))
    for _ in range(500):
        p = cost + 0.95 * closed.T @ p @ closed
    states = np.random.default_rng(0).uniform(-0.7, 0.7, (200, 4)).astype("float32")
    exact = -np.einsum("ni,ij,nj->n", states, p, states)
    observations = jax.vmap(environment.observe)(jax.numpy.asarray(states))
    found = np.asarray(jax.vmap(result.critic)(observations))
    assert np.corrcoef(exact, found)[0, 1] > 0.75
    assert 0.5 < (found @ exact) / (exact @ exact) < 1.5


def test_resumed_training_is_the_same_bit_by_bit(coupled_regulators, start, tmp_path):
    policy, critic = start

    def run(out, stop, resume=False):
        return train_ppo(
            policy,
            coupled_regulators,
            critic=critic,
            out=tmp_path / out,
            callback=stop_after(stop),
            resume=resume,
            **SETTINGS,
        )

    whole = run("whole", 4)
    run("halves", 2)
    halves = run("halves", 4, resume=True)
    for name in whole.history:
        if name != "learning_time":
            np.testing.assert_array_equal(whole.history[name], halves.history[name], name)
    with np.load(tmp_path / "whole/last.npz") as a, np.load(tmp_path / "halves/last.npz") as b:
        assert a.files == b.files
        for name in a.files:
            if name not in ("header", "history/learning_time"):
                np.testing.assert_array_equal(a[name], b[name], name)


def test_reward_that_is_not_finite_stops_the_training(coupled_regulators, start):
    policy, critic = start
    broken = eqx.tree_at(lambda e: e.q, coupled_regulators, coupled_regulators.q * np.nan)
    with pytest.raises(ClosuraxError, match="became nan in iteration 1"):
        train_ppo(policy, broken, critic=critic, **SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"environments": 0}, "`environments` must be at least 1"),
        ({"clip": 0.0}, "`clip` must be positive"),
        ({"discount": 1.5}, "`discount` must lie between 0 and 1"),
        ({"mini_batches": 641}, "cannot make 641 mini-batches"),
    ],
)
def test_bad_settings_are_refused(coupled_regulators, start, settings, message):
    with pytest.raises(ClosuraxError, match=message):
        train_ppo(start[0], coupled_regulators, **{**SETTINGS, **settings})


def test_policy_for_another_environment_is_refused(coupled_regulators):
    policy = GaussianPolicy.initial(3, 1, width=4, key=jax.random.key(0))
    with pytest.raises(ClosuraxError, match=r"`normaliser` of the policy is of shape \(3,\)"):
        train_ppo(policy, coupled_regulators, **SETTINGS)


@pytest.mark.slow
def test_pendulum_swings_up(pendulum):
    policy = GaussianPolicy.initial(3, 1, width=64, std=1.0, key=jax.random.key(0))
    result = train_ppo(
        policy,
        pendulum,
        iterations=60,
        environments=16,
        steps=100,
        mini_batches=8,
        discount=0.95,
        learning_rate=1e-3,
        final_learning_rate=1e-4,
        target_kl=0.03,
        seed=0,
        progress=False,
    )
    assert result.history.update_fraction.min() < 1
    assert episode_returns(policy, pendulum, episodes=200, seed=1).mean() < -1000
    assert episode_returns(result.policy, pendulum, episodes=200, seed=1).mean() > -220

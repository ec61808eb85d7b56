import equinox as eqx
import jax
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.surrogates import load
from closurax.surrogates.reinforcement import GaussianPolicy, episode_returns, train_v_racer

SETTINGS = {
    "iterations": 60,
    "environments": 16,
    "steps": 20,
    "batch_size": 64,
    "capacity": 8000,
    "start": 1000,
    "updates_per_experience": 0.25,
    "discount": 0.95,
    "learning_rate": 1e-3,
    "critic_learning_rate": 3e-3,
    "beta": 0.5,
    "seed": 0,
    "progress": False,
}


@pytest.fixture(scope="module")
def policy():
    return GaussianPolicy.initial(2, 1, width=32, std=0.2, key=jax.random.key(0))


@pytest.fixture(scope="module")
def result(regulator, policy):
    return train_v_racer(policy, regulator, **SETTINGS)


def test_regulator_is_nearly_optimal(regulator, policy, result):
    best = regulator.expected_return(regulator.optimal_gain(1.0))
    before, after = (
        episode_returns(p, regulator, episodes=1000, seed=1).mean() for p in (policy, result.policy)
    )
    assert before < 50 * best
    assert 1.3 * best < after < 0.98 * best


def test_policy_stays_near_its_experience(result):
    history = result.history
    assert history.sizes == {"iteration": 60}
    assert history.far_policy_fraction.max() < 0.3
    assert abs(history.far_policy_fraction[20:].mean() - 0.1) < 0.05
    assert ((history.penalty_coefficient > 0) & (history.penalty_coefficient < 1)).all()
    assert (history.kl >= 0).all()
    # Episodes of 40 steps end in every other rollout of 20.
    assert np.isfinite(history.return_mean).sum() == 30


def test_resumed_training_is_the_same_bit_by_bit(regulator, policy, result, tmp_path):
    def run(out, stop, resume=False):
        return train_v_racer(
            policy,
            regulator,
            out=tmp_path / out,
            callback=lambda iteration, policy, row: iteration == stop,
            resume=resume,
            **SETTINGS,
        )

    whole = run("whole", 4)
    run("halves", 2)
    halves = run("halves", 4, resume=True)
    for name in whole.history:
        if name != "learning_time":
            np.testing.assert_array_equal(whole.history[name], halves.history[name], name)
            np.testing.assert_array_equal(whole.history[name], result.history[name][:4], name)
    with np.load(tmp_path / "whole/last.npz") as a, np.load(tmp_path / "halves/last.npz") as b:
        assert a.files == b.files
        for name in a.files:
            if name not in ("header", "history/learning_time"):
                np.testing.assert_array_equal(a[name], b[name], name)
    observation = jax.numpy.array([0.3, -0.2])
    loaded = load(tmp_path / "halves/policy.npz")
    np.testing.assert_array_equal(loaded(observation), whole.policy(observation))


def test_reward_that_is_not_finite_stops_the_training(regulator, policy):
    broken = eqx.tree_at(lambda e: e.q, regulator, regulator.q * np.nan)
    with pytest.raises(ClosuraxError, match="became nan in iteration 1"):
        train_v_racer(policy, broken, **SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"cutoff": 0.0}, "`cutoff` must be positive"),
        ({"beta": 2.0}, "`beta` must lie between 0 and 1"),
        ({"capacity": 600, "start": 10}, "too small"),
        ({"start": 9000}, "too small"),
    ],
)
def test_bad_settings_are_refused(regulator, policy, settings, message):
    with pytest.raises(ClosuraxError, match=message):
        train_v_racer(policy, regulator, **{**SETTINGS, **settings})


@pytest.mark.slow
def test_agents_with_one_policy_are_nearly_optimal(coupled_regulators):
    policy = GaussianPolicy.initial(4, 1, width=32, std=0.2, key=jax.random.key(0))
    result = train_v_racer(policy, coupled_regulators, **SETTINGS)
    best = coupled_regulators.expected_return(coupled_regulators.optimal_gain(1.0))
    after = episode_returns(result.policy, coupled_regulators, episodes=1000, seed=1).mean()
    assert 1.5 * best < after < 0.98 * best


@pytest.mark.slow
def test_pendulum_swings_up(pendulum):
    policy = GaussianPolicy.initial(3, 1, width=64, std=0.6, key=jax.random.key(0))
    result = train_v_racer(
        policy,
        pendulum,
        iterations=60,
        environments=16,
        steps=100,
        batch_size=64,
        capacity=60_000,
        start=5000,
        updates_per_experience=0.5,
        discount=0.97,
        learning_rate=5e-4,
        critic_learning_rate=1e-3,
        seed=0,
        progress=False,
    )
    assert episode_returns(policy, pendulum, episodes=200, seed=1).mean() < -1000
    assert episode_returns(result.policy, pendulum, episodes=200, seed=1).mean() > -200

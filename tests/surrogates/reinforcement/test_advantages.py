import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.surrogates.reinforcement.discounted_returns import discounted_returns
from closurax.surrogates.reinforcement.generalised_advantages import generalised_advantages
from closurax.surrogates.reinforcement.retrace import retrace_values
from closurax.surrogates.reinforcement.running_moments import RunningMoments

advantages_of = jax.jit(generalised_advantages, static_argnames=("discount", "trace"))
retraced = jax.jit(retrace_values, static_argnames="discount")
discounted = jax.jit(discounted_returns, static_argnums=3)


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def events(seed, probability, *shape):
    return np.random.default_rng(seed).random(shape) < probability


def test_advantages_are_those_of_the_double_sum():
    times, batch, discount, trace = 12, 4, 0.9, 0.7
    rewards, values, next_values = (numbers(seed, times, batch) for seed in range(3))
    terminated = events(3, 0.2, times, batch)
    truncated = events(4, 0.2, times, batch) & ~terminated
    found = advantages_of(
        rewards, values, next_values, terminated, truncated, discount=discount, trace=trace
    )
    for b in range(batch):
        for t in range(times):
            advantage = 0.0
            for later in range(t, times):
                following = 0.0 if terminated[later, b] else next_values[later, b]
                error = rewards[later, b] + discount * following - values[later, b]
                advantage += (discount * trace) ** (later - t) * error
                if terminated[later, b] or truncated[later, b]:
                    break
            np.testing.assert_allclose(found[t, b], advantage, rtol=1e-4, atol=1e-5)


def test_advantages_without_trace_are_errors_and_with_all_of_it_returns():
    rewards, values = numbers(0, 6), numbers(1, 6)
    next_values = np.append(values[1:], np.float32(3.0))
    no = np.zeros(6, bool)
    errors = advantages_of(rewards, values, next_values, no, no, discount=0.9, trace=0.0)
    np.testing.assert_allclose(errors, rewards + 0.9 * next_values - values, rtol=1e-5)
    whole = advantages_of(rewards, values, next_values, no, no, discount=0.9, trace=1.0)
    total = sum(0.9**k * rewards[k] for k in range(6)) + 0.9**6 * 3.0
    np.testing.assert_allclose(whole[0], total - values[0], rtol=1e-5)


def test_retrace_values_are_those_of_the_recursion_around_the_ring():
    slots, batch, discount = 9, 5, 0.95
    rewards, values = numbers(0, slots, batch), numbers(1, slots, batch)
    weights = np.random.default_rng(2).random((slots, batch)).astype("float32")
    terminated = events(3, 0.15, slots, batch)
    stops = events(4, 0.15, slots, batch)
    stops[[0, 3, 8, 5, 8], range(batch)] = True
    found = retraced(rewards, values, weights, terminated, stops, discount=discount)

    def slow(t, b):
        if stops[t, b]:
            return values[t, b]
        following = 0.0 if terminated[t, b] else slow((t + 1) % slots, b)
        error = rewards[t, b] + discount * following - values[t, b]
        return values[t, b] + weights[t, b] * error

    expected = [[slow(t, b) for b in range(batch)] for t in range(slots)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_retrace_on_policy_is_the_discounted_return():
    rewards, values = numbers(0, 5, 1), numbers(1, 5, 1)
    ones, no = np.ones((5, 1), "float32"), np.zeros((5, 1), bool)
    stops = no.copy()
    stops[4] = True
    found = retraced(rewards, values, ones, no, stops, discount=0.9)
    total = sum(0.9**k * rewards[k, 0] for k in range(4)) + 0.9**4 * values[4, 0]
    np.testing.assert_allclose(found[0, 0], total, rtol=1e-5)


def test_discounted_returns_go_on_from_rollout_to_rollout():
    rewards, ended = numbers(0, 10, 3), events(1, 0.2, 10, 3)
    _, whole = discounted(jnp.zeros(3), rewards, ended, 0.9)
    middle, first = discounted(jnp.zeros(3), rewards[:6], ended[:6], 0.9)
    _, second = discounted(middle, rewards[6:], ended[6:], 0.9)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-6)
    total = np.zeros(3)
    for t in range(10):
        total = rewards[t] + 0.9 * total
        np.testing.assert_allclose(whole[t], total, rtol=1e-5, atol=1e-6)
        total = np.where(ended[t], 0, total)


def test_moments_of_equal_batches_are_those_of_all_samples():
    samples = 3 + 2 * numbers(0, 40, 3)
    samples[:, 2] = 5.0
    moments = RunningMoments.none(3, least_share=0.0)
    for batch in np.split(samples, 4):
        moments = moments.updated(jnp.asarray(batch))
    np.testing.assert_allclose(moments.mean, samples.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, samples.var(0), rtol=1e-4, atol=1e-9)
    assert moments.standardiser().scale[2] == 1, "a constant channel is only shifted"


def test_moments_forget():
    moments = RunningMoments.none(least_share=0.5)
    for size in (1e3, *[1.0] * 30):
        moments = moments.updated(jnp.array([-size, size]))
    assert moments.variance == pytest.approx(1, rel=0.01)

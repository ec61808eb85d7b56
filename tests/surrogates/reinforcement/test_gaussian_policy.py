import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError
from closurax.surrogates import load, save
from closurax.surrogates.reinforcement import GaussianPolicy
from closurax.surrogates.reinforcement.diagonal_normal import divergence, log_tanh_slope


@pytest.fixture(scope="module")
def policy():
    normaliser = Standardiser(jnp.array([1.0, -2.0, 0.0]), jnp.array([2.0, 0.5, 1.0]))
    return GaussianPolicy.initial(
        3, 2, width=8, std=0.7, normaliser=normaliser, key=jax.random.key(1)
    )


log_probability = eqx.filter_jit(GaussianPolicy.log_probability)
log_probabilities = eqx.filter_jit(
    lambda policy, actions: jax.vmap(lambda a: policy.log_probability(OBSERVATION, a))(actions)
)
OBSERVATION = jnp.array([0.3, -1.0, 0.7])


def test_log_probability_is_that_of_a_squashed_normal_distribution(policy):
    action = np.array([0.4, -0.95])
    mean = np.arctanh(np.asarray(policy(OBSERVATION), float))
    densities = scipy.stats.norm.pdf(np.arctanh(action), mean, 0.7) / (1 - action**2)
    found = log_probability(policy, OBSERVATION, jnp.asarray(action, jnp.float32))
    assert found == pytest.approx(np.log(densities).sum(), rel=1e-5)


def test_probability_integrates_to_one():
    policy = GaussianPolicy.initial(3, 1, width=8, std=0.7, key=jax.random.key(1))
    edges = np.linspace(-1, 1, 4001)
    middles = jnp.asarray((edges[1:] + edges[:-1]) / 2, jnp.float32)[:, None]
    density = np.exp(np.asarray(log_probabilities(policy, middles), float))
    total = density.sum() * (edges[1] - edges[0])
    assert total == pytest.approx(1, abs=1e-5)


def test_samples_come_with_their_log_probability(policy):
    keys = jax.random.split(jax.random.key(2), 4000)
    sample = jax.jit(jax.vmap(lambda key: policy.sample(OBSERVATION, key)))
    actions, found = sample(keys)
    again = log_probabilities(policy, actions)
    np.testing.assert_allclose(found, again, rtol=1e-3, atol=1e-3)
    mean = np.arctanh(np.asarray(policy(OBSERVATION)))
    before = np.arctanh(np.asarray(actions))
    np.testing.assert_allclose(before.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(before.std(0), 0.7, atol=0.03)


def test_slope_of_tanh_keeps_its_digits():
    for x in (0.0, 0.5, -3.0, 9.0, 40.0):
        exact = np.log(4) - 2 * abs(x) - 2 * np.log1p(np.exp(-2 * abs(x)))
        value, slope = jax.value_and_grad(log_tanh_slope)(jnp.array([x]))
        assert value == pytest.approx(exact, rel=1e-6, abs=1e-6)
        assert slope[0] == pytest.approx(-2 * np.tanh(x), abs=1e-6)


def test_actions_at_the_bounds_have_finite_log_probability(policy):
    assert np.isfinite(log_probability(policy, OBSERVATION, jnp.array([1.0, -1.0])))


def test_entropy_and_divergence_are_those_of_normal_distributions(policy):
    assert policy.entropy() == pytest.approx(2 * scipy.stats.norm(scale=0.7).entropy(), rel=1e-6)
    x = np.linspace(-15, 15, 20001)
    p, q = scipy.stats.norm(0.5, 0.8), scipy.stats.norm(-0.3, 1.3)
    exact = np.sum(p.pdf(x) * (p.logpdf(x) - q.logpdf(x))) * (x[1] - x[0])
    logs = [jnp.log(jnp.array([std])) for std in (0.8, 1.3)]
    found = divergence(jnp.array([0.5]), logs[0], jnp.array([-0.3]), logs[1])
    assert found == pytest.approx(exact, rel=1e-5)


def test_far_observations_are_limited(policy):
    far, farther = (jnp.array([x, -2.0, 0.0]) for x in (1e3, 1e6))
    np.testing.assert_array_equal(policy(far), policy(farther))


def test_file_holds_the_policy_bit_by_bit(policy, tmp_path):
    save(tmp_path / "policy.npz", policy, {"why": "a test"})
    loaded = load(tmp_path / "policy.npz")
    assert isinstance(loaded, GaussianPolicy)
    np.testing.assert_array_equal(loaded(OBSERVATION), policy(OBSERVATION))
    np.testing.assert_array_equal(loaded.log_std, policy.log_std)


def test_noise_must_be_positive():
    with pytest.raises(ClosuraxError, match="`std` must be positive"):
        GaussianPolicy.initial(3, 1, std=0.0, key=jax.random.key(0))

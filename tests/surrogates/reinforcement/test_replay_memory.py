import equinox as eqx
import jax
import numpy as np
import pytest

from closurax.surrogates.reinforcement.replay_memory import ReplayMemory, trace_weight
from closurax.surrogates.reinforcement.rollout import Transitions

SLOTS, ENVIRONMENTS, TIMES = 14, 3, 5


def random_transitions(seed):
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return rng.normal(size=(TIMES, ENVIRONMENTS, *shape)).astype("float32")

    terminated = rng.random((TIMES, ENVIRONMENTS)) < 0.2
    transitions = Transitions(
        observation=numbers(2, 1),
        mean=numbers(2, 1),
        choice=numbers(2, 1),
        reward=numbers(),
        terminated=terminated,
        truncated=(rng.random((TIMES, ENVIRONMENTS)) < 0.3) & ~terminated,
        next_observation=numbers(2, 1),
        earned=numbers(),
        elapsed=np.zeros((TIMES, ENVIRONMENTS), "int32"),
    )
    return jax.tree.map(jax.numpy.asarray, (transitions, numbers(), numbers()))


@pytest.fixture(scope="module")
def filled(corridor):
    """A memory after five rollouts, and what a list would hold for each environment."""
    memory = ReplayMemory.empty(corridor, SLOTS, ENVIRONMENTS)
    extended = eqx.filter_jit(ReplayMemory.extended)
    lists = [[] for _ in range(ENVIRONMENTS)]
    for seed in range(5):
        log_std = np.full(1, seed, "float32")
        transitions, values, next_values = random_transitions(seed)
        memory = extended(memory, transitions, jax.numpy.asarray(log_std), values, next_values)
        for b, entries in enumerate(lists):
            for t in range(TIMES):
                at = {name: np.asarray(x)[t, b] for name, x in transitions._asdict().items()}
                entries.append(
                    {
                        **{k: at[k] for k in ("observation", "choice", "mean", "reward")},
                        "terminated": at["terminated"],
                        "log_std": log_std,
                        "closing": False,
                        "value": values[t, b],
                    }
                )
                if at["truncated"]:
                    entries.append(
                        {
                            "observation": at["next_observation"],
                            "terminated": False,
                            "closing": True,
                            "value": next_values[t, b],
                        }
                    )
    log_weight = np.random.default_rng(9).normal(size=memory.log_weight.shape).astype("float32")
    return memory._replace(log_weight=jax.numpy.asarray(log_weight)), lists


def test_slots_hold_the_newest_entries_in_order(filled):
    memory, lists = filled
    age, is_transition = np.asarray(memory.age()), np.asarray(memory.is_transition())
    memory = jax.tree.map(np.asarray, memory)
    for b, entries in enumerate(lists):
        assert memory.written[b] == len(entries)
        for slot in range(SLOTS):
            entry = entries[-1 - age[slot, b]]
            for name, value in entry.items():
                np.testing.assert_array_equal(getattr(memory, name)[slot, b], value, name)
    np.testing.assert_array_equal(is_transition, (age > 0) & ~memory.closing)


def test_action_values_are_those_of_the_recursion(filled):
    memory, lists = filled
    found = np.asarray(eqx.filter_jit(ReplayMemory.action_values)(memory, 0.9))
    weights, age = np.asarray(trace_weight(memory.log_weight)), np.asarray(memory.age())
    memory = jax.tree.map(np.asarray, memory)
    for b in range(ENVIRONMENTS):
        order = np.argsort(-age[:, b])
        estimate = None
        for slot in order[::-1]:
            value = float(memory.value[slot, b])
            following = 0.0 if memory.terminated[slot, b] else estimate
            if estimate is not None and not memory.closing[slot, b]:
                action_value = float(memory.reward[slot, b]) + 0.9 * following
                assert found[slot, b] == pytest.approx(action_value, rel=1e-4, abs=1e-5)
            if estimate is None or memory.closing[slot, b]:
                estimate = value
            else:
                estimate = value + weights[slot, b] * (action_value - value)


def test_draws_are_uniform_over_all_but_the_newest(filled):
    memory, _ = filled
    slot, environment = map(np.asarray, eqx.filter_jit(memory.draw)(20_000, jax.random.key(0)))
    counts = np.zeros((SLOTS, ENVIRONMENTS), int)
    np.add.at(counts, (slot, environment), 1)
    newest = np.asarray(memory.age()) == 0
    assert (counts[newest] == 0).all()
    expected = 20_000 / (ENVIRONMENTS * (SLOTS - 1))
    assert np.abs(counts[~newest] / expected - 1).max() < 0.25


def test_weights_are_truncated_and_averaged_over_agents():
    log_weights = np.log(np.array([[0.5, 3.0], [0.2, 0.4]], "float32"))
    np.testing.assert_allclose(jax.jit(trace_weight)(log_weights), [0.75, 0.3], rtol=1e-6)

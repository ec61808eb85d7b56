from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.physics.errors import ClosuraxError, SurrogateFileError
from closurax.surrogates import load, read_header
from closurax.surrogates.reinforcement import GaussianPolicy, StateValue
from closurax.surrogates.reinforcement.learning_loop import learn


class State(NamedTuple):
    policy: GaussianPolicy
    critic: StateValue
    key: jax.Array
    number: jax.Array


COLUMNS = {"loss": ("1", "loss of the learner")}


@pytest.fixture(scope="module")
def start():
    return State(
        GaussianPolicy.initial(2, 1, width=2, depth=1, key=jax.random.key(0)),
        StateValue.initial(2, width=2, depth=1, key=jax.random.key(0)),
        jax.random.key(5),
        jnp.zeros(()),
    )


def iterate(state, learning):
    """Adds a random number; the loss is not finite at the fifth iteration of learning."""
    number = int(state.number) + learning
    loss = jnp.nan if number == 5 else 1.0 / max(number, 1)
    episodes = dict.fromkeys(
        ["return_mean", "return_min", "return_max", "episode_length", "terminated_fraction"],
        jnp.nan if number == 2 else jnp.asarray(-number),
    )
    key, draw = jax.random.split(state.key)
    noise = jax.random.normal(draw, state.policy.log_std.shape)
    policy = GaussianPolicy(state.policy.network, noise, state.policy.normaliser)
    state = State(policy, state.critic, key, state.number + float(learning))
    return state, {**episodes, "loss": jnp.asarray(loss)}


def run(start, out=None, **settings):
    defaults = {
        "warm_up": 2,
        "iterations": 4,
        "columns": COLUMNS,
        "identity": {"learner": "a test", "settings": {"rate": 1.0}, "seed": 3},
        "checkpoint_every": 2,
        "resume": False,
        "progress": False,
        "callback": None,
    }
    return learn(iterate, start, out=out, **{**defaults, **settings})


def test_history_has_units_and_names(start):
    _, history = run(start)
    assert history.sizes == {"iteration": 4}
    for name, column in history.data_vars.items():
        assert column.attrs["units"] == ("s" if name == "learning_time" else "1")
        assert column.attrs["long_name"]
    np.testing.assert_allclose(history.loss, [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(history.return_mean, [-1, np.nan, -3, -4])
    assert history.attrs["seed"] == 3


def test_folder_holds_policy_history_and_checkpoint(start, tmp_path):
    state, history = run(start, tmp_path)
    np.testing.assert_array_equal(load(tmp_path / "policy.npz").log_std, state.policy.log_std)
    assert read_header(tmp_path / "policy.npz")["provenance"]["iterations"] == 4
    with xr.open_dataset(tmp_path / "history.nc") as written:
        xr.testing.assert_equal(written.load(), history)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "history.nc",
        "last.npz",
        "policy.npz",
    ]


def test_resumed_training_ends_as_one_that_was_not_stopped(start, tmp_path):
    whole, _ = run(start)
    seen = []

    def stop_at_three(iteration, policy, row):
        seen.append((iteration, row["loss"]))
        return iteration == 3

    run(start, tmp_path, callback=stop_at_three)
    assert seen == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    state, history = run(start, tmp_path, resume=True)
    np.testing.assert_array_equal(state.policy.log_std, whole.policy.log_std)
    np.testing.assert_array_equal(*(jax.random.key_data(s.key) for s in (state, whole)))
    np.testing.assert_allclose(history.loss, [1, 1 / 2, 1 / 3, 1 / 4])
    assert (np.diff(history.learning_time) > 0).all()


def test_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(start, tmp_path):
    with pytest.raises(ClosuraxError, match="loss of the learner became nan in iteration 5.*"):
        run(start, tmp_path, iterations=9)
    state, history = run(start, tmp_path, resume=True, iterations=4)
    assert state.number == 4 and np.isfinite(history.loss).all()


def test_another_training_is_not_resumed(start, tmp_path):
    run(start, tmp_path)
    identity = {"learner": "a test", "settings": {"rate": 2.0}, "seed": 3}
    with pytest.raises(SurrogateFileError, match="another settings"):
        run(start, tmp_path, resume=True, identity=identity)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iterations": 0}, "`iterations` must be at least 1"),
        ({"checkpoint_every": 0}, "`checkpoint_every` must be at least 1"),
        ({"resume": True}, "give `out`"),
    ],
)
def test_bad_settings_are_refused(start, settings, message):
    with pytest.raises(ClosuraxError, match=message):
        run(start, **settings)


def test_policy_that_no_file_can_hold_is_refused_before_the_work(start, tmp_path):
    policy = GaussianPolicy(jnp.sum, start.policy.log_std, start.policy.normaliser)
    with pytest.raises(SurrogateFileError, match="network"):
        run(start._replace(policy=policy), tmp_path)

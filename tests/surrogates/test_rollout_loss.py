import os
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.surrogates.training import relative_l2, rollout_loss


class Step(eqx.Module):
    """A small step that is not linear."""

    weight: jax.Array

    def __call__(self, fields):
        return fields + jnp.tanh(jnp.roll(fields, 1, axis=-1) * self.weight)


@pytest.fixture
def batch():
    draw = np.random.default_rng(3)
    return {
        "input": draw.normal(size=(2, 1, 8)).astype(np.float32),
        "target": draw.normal(size=(2, 5, 1, 8)).astype(np.float32),
    }


def errors_of_the_loop(model, batch, steps):
    """By step, `(steps,)`."""
    errors = []
    fields = [jnp.asarray(sample) for sample in batch["input"]]
    for step in range(steps):
        fields = [model(sample) for sample in fields]
        pairs = zip(fields, batch["target"][:, step], strict=True)
        errors.append(sum(relative_l2(*pair) for pair in pairs) / len(fields))
    return jnp.stack(errors)


@pytest.mark.parametrize("remat", [True, False])
@pytest.mark.parametrize("steps", [1, 4])
def test_it_and_its_gradient_are_those_of_the_explicit_loop(steps, remat, batch):
    model = Step(jnp.float32(0.3))
    loss = lambda m: rollout_loss(m, batch, steps=steps, remat=remat)  # noqa: E731
    value, gradient = eqx.filter_value_and_grad(loss)(model)
    expected, expected_gradient = eqx.filter_value_and_grad(
        lambda m: jnp.mean(errors_of_the_loop(m, batch, steps))
    )(model)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient.weight, expected_gradient.weight, rtol=1e-5)


def test_pushforward_has_the_gradient_of_the_last_step_alone(batch):
    model = Step(jnp.float32(0.3))
    value, gradient = eqx.filter_value_and_grad(
        lambda m: rollout_loss(m, batch, steps=4, pushforward=True)
    )(model)
    np.testing.assert_allclose(value, errors_of_the_loop(model, batch, 4)[-1], rtol=1e-6)
    before = jnp.asarray(batch["input"])
    for _ in range(3):
        before = jax.vmap(model)(before)
    last = {"input": before, "target": batch["target"][:, 3:4]}
    alone = eqx.filter_grad(lambda m: rollout_loss(m, last, steps=1))(model)
    np.testing.assert_allclose(gradient.weight, alone.weight, rtol=1e-6)
    through = eqx.filter_grad(lambda m: errors_of_the_loop(m, batch, 4)[-1])(model)
    assert abs(float(through.weight / gradient.weight) - 1) > 0.01


@pytest.mark.parametrize("pushforward", [True, False])
def test_gradient_at_float64_is_that_of_finite_differences(pushforward, x64):
    draw = np.random.default_rng(4)
    batch = {"input": draw.normal(size=(1, 1, 6)), "target": draw.normal(size=(1, 3, 1, 6))}
    steps = 1 if pushforward else 3

    def loss(weight):
        return rollout_loss(Step(weight), batch, steps=steps, pushforward=pushforward)

    step = 1e-6
    slope = (loss(jnp.asarray(0.3 + step)) - loss(jnp.asarray(0.3 - step))) / (2 * step)
    assert slope.dtype == np.float64
    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(0.3)), slope, rtol=1e-7)


def test_a_perfect_emulator_has_no_loss(batch):
    model = Step(jnp.float32(0.1))
    fields, targets = jnp.asarray(batch["input"]), []
    for _ in range(3):
        fields = jax.vmap(model)(fields)
        targets.append(fields)
    truth = {"input": batch["input"], "target": jnp.stack(targets, axis=1)}
    assert float(rollout_loss(model, truth, steps=3)) < 1e-6


@pytest.mark.parametrize(
    "change, steps, message",
    [
        ({}, 0, "`steps` must be at least 1, not 0"),
        ({}, 6, "5 times, which is too few for `steps` = 6"),
        ({"target": np.zeros((2, 5, 8), np.float32)}, 2, r"expected \(sample, channel, \*space\)"),
        ({"target": np.zeros((3, 5, 1, 8), np.float32)}, 2, r"`target` \(3, 5, 1, 8\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, steps, message, batch):
    with pytest.raises(ClosuraxError, match=message):
        rollout_loss(lambda fields: fields, {**batch, **change}, steps=steps)


UNROLLED_AT_128 = """
import equinox as eqx, jax, jax.numpy as jnp
from closurax.surrogates.operators import MgNO, ResidualStep
from closurax.surrogates.training import rollout_loss

model = ResidualStep(MgNO(boundary="periodic", key=jax.random.key(0)))
draw = jax.random.normal(jax.random.key(1), (1, 21, 1, 128, 128))
batch = {"input": draw[:, 0], "target": draw[:, 1:]}
loss = lambda model, batch: rollout_loss(model, batch, steps=20)
value, gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss))(model, batch)
assert all(jnp.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(gradient))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak memory")
def test_a_training_step_through_20_steps_of_mgno_at_128_stays_under_4_gb():
    command = [sys.executable, "-c", UNROLLED_AT_128]
    # The flags of the tests are for functions that hardly run; this one computes for a minute.
    process = subprocess.run(
        command,
        check=True,
        timeout=600,
        capture_output=True,
        text=True,
        env={**os.environ, "XLA_FLAGS": ""},
    )
    assert float(process.stdout) < 4e6

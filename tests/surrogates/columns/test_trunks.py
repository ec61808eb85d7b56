"""Trunks against the slow, obvious loops over levels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.surrogates.columns import (
    BidirectionalStateSpace,
    BiLSTM,
    DiagonalStateSpace,
    LevelConvolution,
    LevelMixing,
)

LEVELS, CHANNELS, SCALARS = 7, 3, 2

TRUNKS = {
    "LSTM": lambda key: BiLSTM(CHANNELS, SCALARS, hidden=3, depth=2, key=key),
    "state space": lambda key: DiagonalStateSpace(CHANNELS, SCALARS, 5, 2, 3, key=key),
    "convolution": lambda key: LevelConvolution(CHANNELS, SCALARS, 5, 3, (1, 2), key=key),
    "mixing": lambda key: LevelMixing(LEVELS, CHANNELS, SCALARS, 5, 2, key=key),
}


def column(key, levels=LEVELS):
    profile_key, scalar_key = jax.random.split(key)
    return (
        jax.random.normal(profile_key, (levels, CHANNELS)),
        jax.random.normal(scalar_key, (SCALARS,)),
    )


@pytest.fixture(params=TRUNKS)
def trunk(request, getkey):
    return TRUNKS[request.param](getkey())


def test_shape_and_precision(trunk, getkey):
    hidden = trunk(*column(getkey()))
    assert hidden.shape == (LEVELS, trunk.width)
    assert hidden.dtype == jnp.float32


def test_every_level_sees_every_level_and_the_scalars(trunk, getkey):
    profile, scalars = column(getkey())
    # The derivative of each hidden level by each level of the profile, and by the scalars.
    jacobian = eqx.filter_jit(jax.jacobian(lambda p, s: trunk(p, s), argnums=(0, 1)))
    by_profile, by_scalars = jacobian(profile, scalars)
    influence = jnp.abs(by_profile).sum(axis=(1, 3))
    if isinstance(trunk, LevelConvolution):
        # Dilations 1 and 2 with three taps reach three levels.
        apart = np.abs(np.subtract.outer(np.arange(LEVELS), np.arange(LEVELS)))
        np.testing.assert_array_equal(influence > 0, apart <= 3)
    else:
        assert (influence > 0).all()
    assert (jnp.abs(by_scalars).sum(axis=(1, 2)) > 0).all()


def test_batches_equal_single_columns(trunk, getkey):
    columns = [column(getkey()) for _ in range(3)]
    together = jax.vmap(trunk)(*(jnp.stack(parts) for parts in zip(*columns, strict=True)))
    for index, (profile, scalars) in enumerate(columns):
        np.testing.assert_allclose(together[index], trunk(profile, scalars), atol=2e-6)


def test_gradient_equals_finite_differences(trunk, getkey, x64):
    in_double = lambda leaf: jnp.asarray(np.asarray(leaf, float))  # noqa: E731
    profile, scalars = (in_double(part) for part in column(getkey()))
    arrays, rest = eqx.partition(trunk, eqx.is_array)
    arrays = jax.tree_util.tree_map(in_double, arrays)
    rng = np.random.default_rng(0)
    direction = jax.tree_util.tree_map(lambda leaf: rng.normal(size=leaf.shape), arrays)

    @jax.jit
    def value(step):
        moved = jax.tree_util.tree_map(lambda leaf, d: leaf + step * d, arrays, direction)
        return jnp.sum(jnp.sin(eqx.combine(moved, rest)(profile, scalars)))

    step = 1e-6
    slope = (value(step) - value(-step)) / (2 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(value))(0.0), slope, rtol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "state space", "convolution"])
def test_any_number_of_levels(name, getkey):
    trunk = TRUNKS[name](getkey())
    assert trunk(*column(getkey(), levels=11)).shape == (11, trunk.width)


def test_mixing_needs_its_number_of_levels(getkey):
    with pytest.raises(ClosuraxError, match="for 7 levels, but the column has 11"):
        TRUNKS["mixing"](getkey())(*column(getkey(), levels=11))


@pytest.mark.parametrize(
    "build, said",
    [
        (lambda key: BiLSTM(2, 1, 3, 0, key=key), "`depth`"),
        (lambda key: DiagonalStateSpace(2, 1, 3, 1, 0, key=key), "`states`"),
        (lambda key: LevelConvolution(2, 1, 3, 2, key=key), "`kernel_size`"),
        (lambda key: LevelConvolution(2, 1, 3, 3, (), key=key), "`dilations`"),
        (lambda key: LevelMixing(4, 2, 1, 3, 0, key=key), "`depth`"),
    ],
)
def test_refuses_impossible_sizes(build, said, getkey):
    with pytest.raises(ClosuraxError, match=said):
        build(getkey())


def test_lstm_equals_a_loop_of_cells(getkey):
    trunk = TRUNKS["LSTM"](getkey())
    profile, scalars = column(getkey())
    state = [jnp.concatenate([level, scalars]) for level in profile]
    for layer in trunk.layers:
        up, down = [], []
        for cell, order, out in ((layer.up, 1, up), (layer.down, -1, down)):
            hidden = (jnp.zeros(3), jnp.zeros(3))
            for level in state[::order]:
                hidden = cell(level, hidden)
                out.append(hidden[0])
        state = [jnp.concatenate(pair) for pair in zip(up, down[::-1], strict=True)]
    np.testing.assert_allclose(trunk(profile, scalars), jnp.stack(state), atol=1e-6)


def test_state_space_equals_its_recurrence(getkey):
    space = BidirectionalStateSpace(4, 3, key=getkey())
    space = eqx.tree_at(lambda s: s.skip, space, jax.random.normal(getkey(), (4,)))
    inputs = np.asarray(jax.random.normal(getkey(), (LEVELS, 4)), float)
    step = np.exp(np.asarray(space.log_step, float))[:, None]
    rate = -np.exp(np.asarray(space.log_decay, float)) + 1j * np.asarray(space.frequency, float)
    factor = np.exp(step * rate)
    coefficient = np.asarray(space.coefficient, float)
    expected = np.asarray(space.skip, float) * inputs
    for direction, order in enumerate((1, -1)):
        readout = coefficient[direction, ..., 0] + 1j * coefficient[direction, ..., 1]
        state = np.zeros((4, 3), complex)
        outputs = []
        for level in inputs[::order]:
            state = factor * state + (factor - 1) / rate * level[:, None]
            outputs.append(2 * (readout * state).sum(axis=1).real)
        expected += np.stack(outputs)[::order]
    np.testing.assert_allclose(space(jnp.asarray(inputs, "float32")), expected, atol=2e-6)


def test_state_space_decays_whatever_its_parameters(getkey):
    space = BidirectionalStateSpace(4, 3, key=getkey())
    space = eqx.tree_at(lambda s: s.log_decay, space, 3 * jax.random.normal(getkey(), (4, 3)))
    factor, _ = space.discretised()
    assert (jnp.abs(factor) < 1).all()


def test_convolution_equals_a_direct_sum(getkey):
    trunk = LevelConvolution(CHANNELS, SCALARS, 2, 3, (2,), key=getkey())
    profile, scalars = column(getkey())
    (block,) = trunk.blocks
    entered = np.stack([trunk.entry(jnp.concatenate([p, scalars])) for p in profile])
    normed = np.stack([block.norm(jnp.asarray(level)) for level in entered])
    kernel = np.asarray(block.convolution.weight).reshape(2, 3, 2)
    expected = []
    for level in range(LEVELS):
        hidden = np.asarray(block.convolution.bias).copy()
        for tap in range(3):
            neighbour = level + 2 * (tap - 1)
            if 0 <= neighbour < LEVELS:
                hidden += kernel[:, tap] @ normed[neighbour]
        expected.append(entered[level] + block.exit(jax.nn.gelu(jnp.asarray(hidden))))
    np.testing.assert_allclose(trunk(profile, scalars), np.stack(expected), atol=1e-5)

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from closurax import surrogates
from closurax.datasets import Standardiser
from closurax.physics import Quantity
from closurax.physics.errors import ClosuraxError
from closurax.surrogates.operators import (
    FNO,
    ConservedMean,
    DeepONet,
    FieldSurrogate,
    InBFloat16,
    MgNO,
    Resampled,
    ResidualStep,
    UNet,
    WithCoordinates,
)
from closurax.surrogates.training import relative_l2_loss

KEY = jax.random.key(4)
# With the largest relative error that rounding to eight bits may cause.
OPERATORS = {
    "MgNO": (MgNO(2, 1, 4, 1, before=(1, 2), restricted="residual", key=KEY), 1e-2),
    "UNet": (UNet(2, 1, 4, 2, convolutions=1, key=KEY), 1e-2),
    "DeepONet": (DeepONet((8, 8), 2, 1, 4, 2, basis=16, halvings=1, key=KEY), 3e-2),
    "WithCoordinates": (WithCoordinates(UNet(4, 1, 4, 1, key=KEY)), 2e-2),
}
NORMALISER = Standardiser(jnp.zeros(1), jnp.ones(1))


def surrogate(operator):
    heat = [Quantity("heat", "1")]
    return FieldSurrogate(operator, heat, heat, NORMALISER, NORMALISER)


@eqx.filter_jit
def apply(operator, fields):
    return operator(fields)


@pytest.mark.parametrize("name", OPERATORS)
def test_close_to_float32_and_not_the_same(name, getkey):
    (operator, tolerance), fields = OPERATORS[name], jax.random.normal(getkey(), (2, 8, 8))
    wrapped = InBFloat16(operator)
    exact, rounded = apply(operator, fields), apply(wrapped, fields)
    assert rounded.dtype == fields.dtype == jnp.float32
    error = jnp.linalg.norm(rounded - exact) / jnp.linalg.norm(exact)
    assert 1e-4 < error < tolerance
    # Every value is one of bfloat16.
    np.testing.assert_array_equal(rounded, rounded.astype(jnp.bfloat16).astype(jnp.float32))
    assert (wrapped.in_channels, wrapped.out_channels) == (2, 1)


@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_are_in_float32_and_in_the_same_direction(name, getkey):
    operator, _ = OPERATORS[name]
    fields, target = jax.random.normal(getkey(), (2, 8, 8)), jax.random.normal(getkey(), (8, 8))

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(operator):
        return jnp.mean((operator(fields)[0] - target) ** 2)

    exact, rounded = gradient(operator), gradient(InBFloat16(operator)).operator
    leaves = [jax.tree_util.tree_leaves(tree) for tree in (exact, rounded)]
    for ours, theirs in zip(*leaves, strict=True):
        assert ours.dtype == theirs.dtype == jnp.float32
    ours, theirs = (jnp.concatenate([leaf.ravel() for leaf in tree]) for tree in leaves)
    assert jnp.vdot(ours, theirs) > 0.999 * jnp.linalg.norm(ours) * jnp.linalg.norm(theirs)
    assert not (ours == theirs).all()


def test_it_is_trained_as_far_as_in_float32():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(48, 1, 8, 8)).astype(np.float32)
    targets = inputs + np.roll(inputs, 1, axis=2) - 0.5 * np.roll(inputs, 1, axis=3)
    # Noise keeps the error above one per cent, which is what bfloat16 can resolve.
    targets += 0.15 * rng.normal(size=targets.shape).astype(np.float32)
    data = {"inputs": inputs, "targets": targets}
    train, validation = (
        {k: v[part] for k, v in data.items()} for part in (slice(32), slice(32, 48))
    )
    operator = MgNO(1, 1, 8, 1, before=(1,), boundary="periodic", layout="nodes", key=KEY)
    losses = {}
    for name, chosen in (("float32", operator), ("bfloat16", InBFloat16(operator))):
        fitted = surrogates.fit(
            surrogate(chosen), train, validation, loss=relative_l2_loss,
            optimiser=optax.adam(optax.cosine_decay_schedule(2e-2, 80)), epochs=20,
            batch_size=8, seed=0, progress=False,
        )  # fmt: skip
        losses[name] = fitted.history["validation_loss"].values
        arrays = jax.tree_util.tree_leaves(eqx.filter(fitted.best, eqx.is_array))
        assert all(array.dtype == jnp.float32 for array in arrays)
    assert losses["float32"][-1] < 0.3 * losses["float32"][0]
    np.testing.assert_allclose(losses["bfloat16"][-1], losses["float32"][-1], rtol=0.05)


def test_small_updates_are_not_lost():
    """The parameters are in float32: steps below the precision of bfloat16 add up."""
    operator = InBFloat16(OPERATORS["UNet"][0])
    step = jax.tree_util.tree_map(
        lambda leaf: 2.0**-12 * leaf if eqx.is_inexact_array(leaf) else None, operator
    )
    moved = operator
    for _ in range(16):
        moved = eqx.apply_updates(moved, step)
    before, after = operator.operator.head.kernel, moved.operator.head.kernel
    np.testing.assert_allclose(after, before * (1 + 2.0**-8), rtol=1e-6)
    once = eqx.apply_updates(operator, step).operator.head.kernel.astype(jnp.bfloat16)
    assert (once == before.astype(jnp.bfloat16)).mean() > 0.9


def test_float64_fields_come_back_in_float64(x64, getkey):
    operator = UNet(1, 1, 4, 1, key=getkey())
    fields = jax.random.normal(getkey(), (1, 8, 8))
    assert fields.dtype == jnp.float64
    rounded = apply(InBFloat16(operator), fields)
    assert rounded.dtype == jnp.float64
    np.testing.assert_allclose(rounded, apply(operator, fields), atol=0.1)


@pytest.mark.parametrize(
    "operator, said",
    [
        (FNO(1, 1, 3, 1, modes=2, key=KEY), "FNO .* its SpectralConvolution: no Fourier"),
        (
            WithCoordinates(FNO(3, 1, 3, 1, modes=2, key=KEY)),
            "WithCoordinates .* its SpectralConvolution",
        ),
        (surrogate(UNet(1, 1, 2, 2, key=KEY)), "its Standardiser: normalise in float32"),
        (Resampled(UNet(1, 1, 2, 2, key=KEY), (8, 8)), "interpolate in float32: Resampled\\(InB"),
        (ConservedMean(UNet(1, 1, 2, 2, key=KEY)), "ConservedMean\\(InBFloat16\\(operator\\)\\)"),
        (ResidualStep(UNet(1, 1, 2, 2, key=KEY)), "ResidualStep\\(InBFloat16\\(operator\\)\\)"),
    ],
)
def test_what_needs_float32_is_refused(operator, said):
    with pytest.raises(ClosuraxError, match=said):
        InBFloat16(operator)


def test_it_travels_in_a_surrogate_file(tmp_path, getkey):
    operator = InBFloat16(UNet(1, 1, 4, 1, key=getkey()))
    saved = surrogate(Resampled(ResidualStep(operator), (8, 8)))
    surrogates.save(tmp_path / "half.eqx", saved)
    loaded = surrogates.load(tmp_path / "half.eqx")
    assert eqx.tree_equal(loaded, saved)
    fields = jax.random.normal(getkey(), (1, 16, 16))
    assert (apply(loaded, fields) == apply(saved, fields)).all()

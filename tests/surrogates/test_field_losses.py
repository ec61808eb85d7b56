import jax.numpy as jnp
import numpy as np
import pytest

from closurax.surrogates.training import (
    relative_h1,
    relative_h1_loss,
    relative_l2,
    relative_l2_loss,
)


def wave(n, factor=1.0):
    x = (np.arange(n) + 0.5) / n
    return (factor * np.sin(np.pi * x)[:, None] * np.sin(np.pi * x)).astype(np.float32)[None]


def test_relative_errors_of_a_scaled_field_are_the_scale():
    for norm in (relative_l2, relative_h1):
        assert float(norm(wave(32, 1.1), wave(32))) == pytest.approx(0.1, rel=1e-4)
        assert float(norm(wave(32), wave(32))) == 0


def test_the_h1_norm_tends_to_the_integral():
    """Of sin(pi x) sin(pi y): one quarter for the value, half pi squared for the gradient."""
    for n in (64, 256):
        rough = wave(n) + 0.01 * np.sin(8 * np.pi * (np.arange(n) + 0.5) / n)[:, None]
        error = 0.01 * np.sqrt(0.5 * (1 + (8 * np.pi) ** 2))
        exact = error / np.sqrt(0.25 + np.pi**2 / 2)
        value = float(relative_h1(rough.astype(np.float32), wave(n)))
        assert value == pytest.approx(exact, rel=40 / n**2 + 1 / n)


def test_losses_are_the_means_over_a_batch():
    batch = {
        "inputs": np.stack([wave(16), wave(16)]),
        "targets": np.stack([wave(16), wave(16, 2.0)]),
    }
    for loss in (relative_l2_loss, relative_h1_loss):
        assert float(loss(lambda fields: 1.0 * fields, batch)) == pytest.approx(0.25, rel=1e-5)
    assert jnp.shape(relative_l2_loss(lambda fields: fields, batch)) == ()

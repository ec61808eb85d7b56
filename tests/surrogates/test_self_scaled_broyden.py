import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import Helmholtz
from closurax.surrogates.fields import GaussianFeatures, LinearField, NetworkField
from closurax.surrogates.training import (
    Collocation,
    QuasiNewton,
    SelfScaledBroyden,
    train_physics_informed,
)
from closurax.surrogates.training.self_scaled_broyden import self_scaled_update

PROBLEM = Helmholtz(1, 1)


def gaussians(key, count):
    centres = jax.random.uniform(key, (count, 2), minval=-1.2, maxval=1.2)
    return LinearField(GaussianFeatures(centres, jnp.full((count, 2), 0.5)), jnp.zeros((count, 1)))


def slow_update(inverse, s, y, theta, first):
    """The formula as printed, with the matrix inverted."""
    n, b = len(s), s @ np.linalg.inv(inverse) @ s / (y @ s)
    h = y @ inverse @ y / (y @ s)
    a = b * h - 1
    if theta is None:
        rho = min(1.0, h * (1 - np.sqrt(a / (1 + a))))
        theta = max((rho - 1) / a, min(1 / rho, (1 - b) / b))
    sigma = 1 + a * theta
    tau = min(1, 1 / b) * sigma ** (-1 / (n - 1))
    tau = min(tau, min(1, 1 / b) / theta) if theta > 0 else min(tau, sigma)
    tau = h / sigma if first else tau
    yhy = y @ inverse @ y
    v = np.sqrt(yhy) * (s / (y @ s) - inverse @ y / yhy)
    part = inverse - np.outer(inverse @ y, inverse @ y) / yhy
    part += (1 - theta) / sigma * np.outer(v, v)
    return part / tau + np.outer(s, s) / (y @ s), theta


@pytest.mark.parametrize("theta", [None, 0.0, 0.5])
def test_update_is_the_formula_and_has_secant_and_positive_definiteness(x64, theta):
    draw, chosen = np.random.default_rng(0), []
    update = jax.jit(lambda *all: self_scaled_update(*all[:4], theta, all[4]))
    for trial in range(40):
        root, curved = draw.normal(size=(2, 6, 6)) * 10 ** draw.uniform(-1, 1, size=(2, 1, 1))
        inverse, s = root @ root.T, draw.normal(size=6)
        y = curved @ curved.T @ s
        if trial % 4 == 3:  # Parallel to the prediction: nothing is left of a.
            y = np.linalg.solve(inverse, s) * 1.5
        size = s @ np.linalg.solve(inverse, s)
        first = jnp.asarray(trial % 2 == 0)
        found = np.asarray(update(inverse, s, y, size, first))
        np.testing.assert_allclose(found @ y, s, rtol=1e-6, atol=1e-7 * np.abs(s).max())
        np.testing.assert_array_equal(found, found.T)
        assert np.linalg.eigvalsh(found)[0] > 0
        if trial % 4 != 3:
            expected, angle = slow_update(inverse, s, y, theta, bool(first))
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * np.abs(found).max())
            chosen.append(angle)
    assert theta is not None or (min(chosen) < 0 < max(chosen))
    # Negative curvature changes nothing.
    np.testing.assert_array_equal(update(inverse, s, -y, size, first), inverse)


def test_finds_the_minimum_of_a_quadratic_in_few_steps(x64, getkey):
    # The weights of fixed Gaussians: nothing but a linear problem.
    field = gaussians(getkey(), 12)
    trainable = eqx.tree_at(lambda field: field.weights, jax.tree.map(lambda _: False, field), True)
    collocation = Collocation.quasi_random(PROBLEM, 80, 8, seed=0).weighted(1e-2)
    found = train_physics_informed(
        field, collocation, optimiser=SelfScaledBroyden(), steps=60, seed=0, report_every=60,
        trainable=trainable, progress=False,
    ).field  # fmt: skip
    parameters, frozen = eqx.partition(found, trainable)
    rows, values = eqx.filter_jit(collocation.jacobian)(parameters, frozen)
    solved = np.linalg.lstsq(rows, -values, rcond=None)[0]
    np.testing.assert_allclose(values @ values, np.sum((rows @ solved + values) ** 2), rtol=1e-6)


@pytest.mark.slow
def test_is_far_lower_than_bfgs_after_as_many_points(x64):
    field = NetworkField([-1, -1], [1, 1], width=12, depth=2, key=jax.random.key(1))
    collocation = Collocation.quasi_random(PROBLEM, 150, 16, seed=0).weighted(1e-2)
    # A step of this BFGS is one point of its search, one of ours a search of one or two.
    losses = [
        train_physics_informed(
            field, collocation, optimiser=optimiser, steps=steps, seed=0, report_every=steps,
            progress=False,
        ).history["training_loss"][-1]
        for optimiser, steps in (
            (QuasiNewton(optx.BFGS(rtol=1e-14, atol=1e-14)), 3200), (SelfScaledBroyden(), 1600),
        )
    ]  # fmt: skip
    assert losses[1] < 0.2 * losses[0]


def test_never_rises_and_survives_other_points_and_single_precision(getkey):
    field = gaussians(getkey(), 8)
    random = Collocation.random(PROBLEM, 150, 20, getkey()).weighted(1e-2)
    train = dict(optimiser=SelfScaledBroyden(), seed=0, progress=False)
    history = train_physics_informed(field, random, steps=60, report_every=2, **train).history
    losses = history["training_loss"].values
    assert (losses[1:] <= losses[:-1] * (1 + 1e-5)).all() and losses[-1] < 0.2 * losses[0]
    history = train_physics_informed(
        field, random, steps=120, report_every=40, redraw=True, **train
    ).history
    assert history["validation_loss"][-1] < history["validation_loss"][0]
    with pytest.raises(ClosuraxError, match="`theta` = 2"):
        SelfScaledBroyden(theta=2.0)

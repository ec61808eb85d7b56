"""Derivatives of the Kain-Fritsch scheme, away from its jumps, against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch

COLUMNS, LEVELS = 96, 40
STEPS = (1e-3, 1e-4, 1e-5, 1e-6)


def summary(shifts, inputs):
    """Rain and the strength of three tendencies, for shifts of parameters and temperature."""
    scheme = MultiScaleKainFritsch(
        entrainment=0.03 * (1 + shifts[0]),
        fallout_rate=0.03 * (1 + shifts[1]),
        trigger_coefficient=4.64 * (1 + shifts[2]),
    )
    warmed = {**inputs, "air_temperature": inputs["air_temperature"] + shifts[3:]}
    result = scheme.tendencies(warmed)
    mass = inputs["air_density"] * inputs["layer_thickness"]
    heating, moistening, wind = (
        jnp.sum(mass * result[name] ** 2) * scale
        for name, scale in (
            ("potential_temperature_tendency", 1e6),
            ("vapour_tendency", 1e12),
            ("eastward_wind_tendency", 1e6),
        )
    )
    return jnp.stack([3600 * result["precipitation_rate"], heating, moistening, wind])


@pytest.mark.slow
def test_both_modes_agree_with_finite_differences(make_storms, x64):
    inputs = {name: jnp.asarray(value) for name, value in make_storms(COLUMNS, seed=5).items()}
    value = jax.jit(jax.vmap(summary))
    none = jnp.zeros((COLUMNS, 3 + LEVELS))
    jacobian = jax.jit(jax.vmap(jax.jacrev(summary)))(none, inputs)
    assert jnp.all(jnp.isfinite(jacobian))

    @jax.jit
    def forward(direction):
        def along(shifts, inputs):
            return jax.jvp(lambda s: summary(s, inputs), (shifts,), (direction,))[1]

        return jax.vmap(along)(none, inputs)

    directions = [*np.eye(3 + LEVELS)[:3], np.zeros(3 + LEVELS)]
    directions[-1][3:] = np.random.default_rng(0).standard_normal(LEVELS)
    for direction in map(jnp.asarray, directions):
        reverse = jacobian @ direction
        size = jnp.max(jnp.abs(reverse))
        np.testing.assert_allclose(forward(direction), reverse, rtol=1e-6, atol=1e-9 * size)
        finite = [
            (value(none + h * direction[None], inputs) - value(none - h * direction[None], inputs))
            / (2 * h)
            for h in STEPS
        ]
        # Where two step sizes agree there is no jump between, and the smaller one is exact.
        scale = [jnp.abs(f) + 1e-6 * jnp.max(jnp.abs(f)) + 1e-12 for f in finite]
        error = jnp.full_like(reverse, jnp.inf)
        for wide, narrow, at in zip(finite, finite[1:], scale[1:], strict=False):
            smooth = jnp.abs(wide - narrow) < 2e-3 * at
            error = jnp.where(smooth, jnp.minimum(error, jnp.abs(reverse - narrow) / at), error)
        is_smooth = jnp.isfinite(error)
        assert is_smooth.mean() > 0.8
        assert (error < 0.01)[is_smooth].mean() > 0.95
    # The mass flux of the closure follows the entrainment, and rain follows it.
    assert jnp.sum(jnp.abs(jacobian[:, 0, 0]) > 0) > 10


@pytest.mark.slow
def test_calm_and_empty_columns_have_finite_gradients(make_storms, x64):
    columns = make_storms(COLUMNS, seed=5)
    for name in ("eastward_wind", "northward_wind"):
        columns[name] = 0 * columns[name]
    columns["vapour_mixing_ratio"][::2] *= 1e-3
    inputs = {name: jnp.asarray(value) for name, value in columns.items()}

    def total(inputs):
        return sum(jnp.sum(value) for value in MultiScaleKainFritsch().tendencies(inputs).values())

    gradient = jax.jit(jax.vmap(jax.grad(total)))(inputs)
    for name, value in gradient.items():
        assert jnp.all(jnp.isfinite(value)), name

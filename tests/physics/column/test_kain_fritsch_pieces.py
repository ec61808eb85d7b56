"""The parts of the Kain-Fritsch scheme against what they stand for, done the slow way."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from closurax.physics.column.kain_fritsch.momentum_transport import _ZEROS, _solve
from closurax.physics.column.kain_fritsch.plume_physics import (
    MoistAir,
    condense,
    freeze,
    mixing_shares,
)
from closurax.physics.column.kain_fritsch.saturation_table import pressure_nodes, saturated
from closurax.physics.column.kain_fritsch.subsidence import Exchange, transport
from closurax.physics.column.kain_fritsch.while_loop import while_loop
from closurax.physics.column.thermodynamics import (
    equivalent_potential_temperature,
    saturation_mixing_ratio,
)


def theta_e_of_saturated(pressure, temperature):
    mixing_ratio = saturation_mixing_ratio(pressure, temperature)
    return equivalent_potential_temperature(pressure, temperature, mixing_ratio, temperature)


def test_the_table_inverts_theta_e(x64):
    pressure, temperature = (
        jnp.ravel(grid)
        for grid in jnp.meshgrid(jnp.linspace(1.5e4, 1.04e5, 90), jnp.linspace(200.0, 303.0, 120))
    )
    theta_e = theta_e_of_saturated(pressure, temperature)
    # Where theta-e is one of the table, up to 250 K above that of air at 150 K.
    lowest = theta_e_of_saturated(pressure, 150.0 + 0 * pressure)
    inside = (theta_e > lowest) & (theta_e < lowest + 249)
    found, mixing_ratio = saturated(pressure_nodes(pressure), theta_e)
    exact = saturation_mixing_ratio(pressure, temperature)
    assert inside.sum() > 5000
    assert jnp.max(jnp.abs(found - temperature)[inside]) < 0.05
    assert jnp.median(jnp.abs(found - temperature)[inside]) < 5e-3
    assert jnp.max(jnp.abs(mixing_ratio / exact - 1)[inside]) < 0.02


def test_mixing_shares_integrate_the_gaussian(x64):
    critical = jnp.linspace(0.0, 1.0, 41)
    fraction = np.linspace(0, 1, 20001)
    density = np.exp(-((fraction - 0.5) ** 2) * 18) - np.exp(-4.5)
    total = np.trapezoid(density * fraction, fraction)
    entraining, detraining = mixing_shares(critical)
    for i, limit in enumerate(critical):
        stays = fraction <= float(limit) + 1e-12
        expected = np.trapezoid((density * fraction)[stays], fraction[stays]) / total
        assert abs(expected - entraining[i]) < 2e-4
        leaves = fraction >= float(limit) - 1e-12
        expected = np.trapezoid((density * (1 - fraction))[leaves], fraction[leaves]) / total
        assert abs(expected - detraining[i]) < 2e-4


contents = st.floats(0.0, 5e-3)


@given(st.floats(3e4, 1e5), st.floats(300.0, 360.0), st.floats(0.0, 0.025), contents, contents)
def test_condensation_conserves_water_and_theta_e(pressure, theta_e, vapour, liquid, ice):
    with jax.enable_x64(True):
        pressure, theta_e, vapour, liquid, ice = (
            jnp.asarray(x, jnp.float64) for x in (pressure, theta_e, vapour, liquid, ice)
        )
        air, new = condense(pressure_nodes(pressure), theta_e, vapour, liquid, ice)
        after = air.mixing_ratio + air.liquid + air.ice + new
        assert abs(after - (vapour + liquid + ice)) < 1e-9
        assert min(air.mixing_ratio, air.liquid, air.ice, new) >= -1e-9
        if new > 0:
            recovered = theta_e_of_saturated(pressure, air.temperature)
            assert abs(recovered - theta_e) < 0.1
        else:
            # Air that stays unsaturated has no condensate left.
            saturation = saturation_mixing_ratio(pressure, air.temperature)
            is_dry = air.mixing_ratio < 0.98 * saturation
            assert not is_dry or air.liquid + air.ice < 1e-9


@given(st.floats(3e4, 7e4), st.floats(235.0, 268.0), contents)
def test_freezing_conserves_water_and_warms(pressure, temperature, liquid):
    with jax.enable_x64(True):
        pressure, temperature, liquid = (
            jnp.asarray(x, jnp.float64) for x in (pressure, temperature, liquid)
        )
        vapour = saturation_mixing_ratio(pressure, temperature)
        before = MoistAir(temperature, vapour, 0 * liquid, 2e-3 + liquid)
        after, theta_e = freeze(pressure, before, liquid)
        total = before.mixing_ratio + before.ice
        assert abs(after.mixing_ratio + after.liquid + after.ice - total) < 1e-12
        original = theta_e_of_saturated(pressure, temperature)
        if liquid > 1e-6:
            assert after.temperature > temperature and theta_e > original
        else:
            assert abs(theta_e - original) < 0.02


def moving(rng, levels, is_closed):
    upward = rng.normal(size=levels) * 2e6
    upward[0] = 0
    top = levels if not is_closed else levels - 5
    in_cloud = np.arange(levels) < top
    return Exchange(
        mass=jnp.asarray(rng.uniform(0.5e10, 2e10, levels)),
        upward=jnp.asarray(np.where(in_cloud, upward, 0.0)),
        sources=jnp.asarray(np.where(in_cloud, rng.normal(size=(2, levels)), 0.0) * 1e6),
        in_cloud=jnp.asarray(in_cloud),
    )


def test_transport_is_the_slow_upstream_loop_and_conserves(x64):
    rng = np.random.default_rng(0)
    levels, scale, timescale, steps = 30, 1.7, 1800.0, 7
    exchange = moving(rng, levels, is_closed=True)
    fields = rng.uniform(0, 1, (2, levels))
    result = transport(
        jnp.asarray(fields), exchange.sources, exchange,
        jnp.asarray(scale), jnp.asarray(timescale), jnp.asarray(steps),
    )  # fmt: skip
    mass, upward, sources = (np.asarray(x) for x in exchange[:3])
    expected = fields.copy()
    for _ in range(steps):
        before = expected.copy()
        for k in range(levels):
            if not exchange.in_cloud[k]:
                continue
            through_bottom, through_top = upward[k], upward[k + 1] if k + 1 < levels else 0.0
            below = before[:, k - 1] if through_bottom > 0 else before[:, k]
            above = before[:, k] if through_top > 0 else before[:, (k + 1) % levels]
            gain = through_bottom * below - through_top * above + sources[:, k]
            expected[:, k] += scale * gain * timescale / steps / mass[k]
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-14)
    gained = (mass * (np.asarray(result) - fields)).sum(1)
    np.testing.assert_allclose(gained, scale * timescale * sources.sum(1), rtol=1e-9)


def test_transport_has_the_same_derivative_in_both_modes(x64):
    rng = np.random.default_rng(1)
    exchange = moving(rng, 12, is_closed=False)
    fields = jnp.asarray(rng.uniform(0, 1, (2, 12)))

    def total(scale, fields):
        after = transport(
            fields, exchange.sources, exchange, scale, jnp.asarray(900.0), jnp.asarray(5)
        )
        return jnp.sum(after**2)

    scale = jnp.asarray(1.3)
    reverse = jax.grad(total)(scale, fields)
    _, forward = jax.jvp(lambda s: total(s, fields), (scale,), (jnp.ones(()),))
    finite = (total(scale + 1e-5, fields) - total(scale - 1e-5, fields)) / 2e-5
    np.testing.assert_allclose(reverse, forward, rtol=1e-12)
    np.testing.assert_allclose(reverse, finite, rtol=1e-7)


def doubled(bound):
    """Doubles a number until it is above 10."""
    return lambda x, rate: while_loop(
        lambda state, rate: state[0] < 10, lambda state, rate: (state[0] * rate, state[1] + 1),
        (x, jnp.zeros((), jnp.int32)), rate, bound,
    )[0]  # fmt: skip


def test_a_loop_has_the_derivative_of_its_steps():
    one, two = jnp.asarray(1.0), jnp.asarray(2.0)
    function = doubled(8)
    assert function(one, two) == 16
    assert jax.grad(function)(one, two) == 16
    assert jax.grad(function, argnums=1)(one, two) == 4 * 8
    assert jax.jvp(function, (one, two), (one, one))[1] == 16 + 32
    batch = jax.vmap(jax.grad(function), (0, None))(jnp.asarray([1.0, 3.0, 20.0]), two)
    np.testing.assert_array_equal(batch, [16, 4, 1])


def test_a_loop_that_takes_too_long_has_no_derivative_but_a_value():
    one, two = jnp.asarray(1.0), jnp.asarray(2.0)
    assert doubled(3)(one, two) == 16
    assert jnp.isnan(jax.grad(doubled(3))(one, two))


@pytest.mark.parametrize("levels", [20, 40])
def test_the_pressure_equation_is_solved(levels, x64):
    rng = np.random.default_rng(levels)
    thickness, distance, below = (jnp.asarray(rng.uniform(200, 800, levels)) for _ in range(3))
    forcing = jnp.asarray(rng.normal(size=(len(_ZEROS), 2, levels)))
    solution = eqx.filter_jit(_solve)(forcing, thickness, distance, below)
    for harmonic, zero in enumerate(_ZEROS):
        matrix = np.zeros((levels, levels))
        for k in range(1, levels - 1):
            matrix[k, k - 1] = 1 / (thickness[k] * distance[k])
            matrix[k, k + 1] = 1 / (thickness[k] * below[k])
            matrix[k, k] = -matrix[k, k - 1] - matrix[k, k + 1] - (zero / 5e4) ** 2
        # No gradient across the top and the bottom but the one that buoyancy imposes.
        matrix[0, :2] = 1 / distance[1], -1 / distance[1]
        matrix[-1, -2:] = 1 / distance[-1], -1 / distance[-1]
        for component in range(2):
            exact = np.linalg.solve(matrix, forcing[harmonic, component])
            np.testing.assert_allclose(solution[harmonic, component], exact, rtol=1e-9)

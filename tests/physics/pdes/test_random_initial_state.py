"""Random fields have the asked covariance; a key is a function, whatever the grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.pdes import (
    BalancedInitialState,
    Burgers,
    PeriodicRandomField,
    RandomInitialState,
    ShallowWater,
    navier_stokes,
)
from closurax.physics.spectral import PeriodicInterval, SpectralGrid


def test_covariance_on_an_interval(x64, getkey):
    """N(0, 625 (-d^2 + 25)^-2): the variance and the correlation over a quarter period."""
    interval = PeriodicInterval(64, 3.0)
    draw = jax.jit(jax.vmap(lambda key: PeriodicRandomField(2.0, 5.0, 25.0)(interval, key)))
    fields = np.asarray(draw(jax.random.split(getkey(), 4000)))
    k = 2 * np.pi * np.arange(1, 64)
    power = 2 * 625 / (k**2 + 25) ** 2
    deviation = np.sqrt(power.sum())
    assert np.abs(fields.mean(axis=1)).max() < 1e-12
    np.testing.assert_allclose(fields.std(axis=0), deviation, rtol=0.08)
    covariance = np.mean(fields * np.roll(fields, 16, axis=1))
    expected = np.sum(power * np.cos(k / 4))
    assert abs(covariance - expected) < 0.05 * power.sum()
    assert abs(expected) < 0.3 * power.sum()


@pytest.mark.parametrize(
    "grids",
    [
        (PeriodicInterval(64, 2.0), PeriodicInterval(16, 2.0)),
        (SpectralGrid(64, length_x=2.0), SpectralGrid(16, length_x=2.0)),
    ],
    ids=["interval", "square"],
)
def test_a_key_is_the_same_function_on_every_grid(grids, getkey):
    key = getkey()
    fine, coarse = (np.asarray(PeriodicRandomField()(grid, key)) for grid in grids)
    strided = fine[(slice(None, None, 4),) * fine.ndim]
    np.testing.assert_allclose(strided, coarse, atol=1e-5)
    assert fine.dtype == np.float32 and 0.01 < fine.std() < 10


def test_states_are_those_of_the_field(getkey):
    key, initial = getkey(), RandomInitialState(PeriodicRandomField(4.0, 5.0, 500.0))
    for model, read in (
        (Burgers(PeriodicInterval(64, 1.0)), Burgers.field),
        (navier_stokes(32), lambda model, state: model.vorticity(state)),
    ):
        field = initial.field(model.grid, key)
        np.testing.assert_allclose(read(model, initial(model, key)), field, atol=2e-3)
        assert np.std(field) > 0.1


def test_shallow_water_starts_in_balance(x64, getkey):
    model = ShallowWater(SpectralGrid(32, length_x=5.0), gravity=3.0, coriolis=0.7)
    initial = BalancedInitialState(PeriodicRandomField(4.0, 5.0, 1e-4))
    state = initial(model, getkey())
    u, v, elevation = model.fields(state)
    grid = model.grid
    slope_x = grid.to_physical(grid.derivative_x(grid.to_spectral(elevation)))
    slope_y = grid.to_physical(grid.derivative_y(grid.to_spectral(elevation)))
    np.testing.assert_allclose(0.7 * v, 3.0 * slope_x, rtol=0, atol=1e-18)
    np.testing.assert_allclose(0.7 * u, -3.0 * slope_y, rtol=0, atol=1e-18)
    # So small a flow hardly advects itself: it stays.
    tendency = model.fields(model.tendency(0.0, state))
    assert jnp.abs(tendency).max() < 1e-4 * 0.7 * jnp.abs(v).max()


def test_impossible_fields_are_refused():
    with pytest.raises(ClosuraxError, match="`alpha` = -1"):
        PeriodicRandomField(alpha=-1.0)

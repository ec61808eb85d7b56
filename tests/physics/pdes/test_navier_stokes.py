"""The Navier-Stokes problem against exact flows."""

import diffrax
import equinox as eqx
import numpy as np
import pytest

from closurax.physics.pdes import DiagonalForcing, PeriodicRandomField, navier_stokes
from closurax.physics.solvers import ETDRK4


@eqx.filter_jit
def integrate(model, state, dt, duration):
    return diffrax.diffeqsolve(
        model.terms(state.dtype), ETDRK4(), 0.0, duration, dt, state, max_steps=None
    ).ys[0]


def test_taylor_green_vortices_decay_exactly(x64):
    model = navier_stokes(16, viscosity=1e-3, forcing=None)
    x, y = model.grid.x[:, None], model.grid.y[None, :]
    vorticity = np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y)
    end = integrate(model, model.initial_state(vorticity), 1.0, 10.0)
    exact = np.exp(-8 * np.pi**2 * 1e-3 * 10.0) * vorticity
    np.testing.assert_allclose(model.vorticity(end), exact, atol=1e-13)


def test_the_forcing_drives_its_own_laminar_flow(x64):
    """A vorticity that is a function of x + y does not advect itself."""
    viscosity, duration = 2e-3, 3.0
    model = navier_stokes(16, viscosity=viscosity, forcing=DiagonalForcing(0.3))
    theta = 2 * np.pi * (model.grid.x[:, None] + model.grid.y[None, :])
    rate = 8 * np.pi**2 * viscosity
    exact = 0.3 * (np.sin(theta) + np.cos(theta)) * (1 - np.exp(-rate * duration)) / rate
    end = integrate(model, model.initial_state(np.zeros((16, 16))), 0.5, duration)
    np.testing.assert_allclose(model.vorticity(end), exact, atol=1e-13)


def test_the_default_is_the_problem_of_li_et_al(getkey):
    model = navier_stokes()
    assert model.grid.length_x == model.grid.length_y == 1.0
    assert (model.viscosity, model.drag, model.beta, model.forcing.amplitude) == (1e-5, 0, 0, 0.1)
    run = model.run(
        model.initial_state(PeriodicRandomField()(model.grid, getkey())),
        1.0,
        save_every=1.0,
        dt=0.05,
        progress=False,
    )
    start, end = run["vorticity"].values
    # At first, advection moves the vorticity and the forcing adds to it.
    assert 0.1 < start.std() < 0.3
    assert end.std() == pytest.approx(start.std(), abs=0.11) and np.abs(end - start).max() > 0.1

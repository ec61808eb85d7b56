"""Shallow water against exact flows, conservation, orders and finite differences."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.pdes import ShallowWater
from closurax.physics.solvers import CFL, ETDRK4
from closurax.physics.spectral import SpectralGrid, from_real_view

GRID = SpectralGrid(16, 24, 2 * np.pi, 3 * np.pi)
X, Y = np.meshgrid(GRID.x, GRID.y, indexing="ij")


class Friction(AbstractMemorylessScheme):
    """Linear friction, and a source of elevation."""

    rate: float
    source: float
    reads = (Quantity("velocity", "m s-1"), Quantity("elevation", "m"))
    returns = (
        Quantity("velocity_tendency", "m s-2"),
        Quantity("elevation_tendency", "m s-1"),
    )

    def tendencies(self, inputs):
        return {
            "velocity_tendency": -self.rate * inputs["velocity"],
            "elevation_tendency": self.source * (1 + inputs["elevation"]),
        }


def integrate(model, state, dt, duration):
    return _integrate(model, state, *(jnp.asarray(t) for t in (dt, duration)))


@eqx.filter_jit
def _integrate(model, state, dt, duration):
    return diffrax.diffeqsolve(
        model.terms(state.dtype), ETDRK4(), 0.0, duration, dt, state, max_steps=None
    ).ys[0]


def smooth_flow(amplitude=0.1):
    """A flow with vortices and waves, in which nothing is in balance."""
    u = np.sin(X) * np.cos(2 / 3 * Y) + 0.3
    v = np.cos(X + 4 / 3 * Y)
    elevation = np.sin(X - 2 / 3 * Y) + 0.5
    return amplitude * np.stack([u, v, elevation])


def test_whole_tendency_equals_analysis(x64):
    """On u = a cos y', v = b sin x, eta = c cos x with y' = 2 y / 3, where all terms are known."""
    a, b, c, f, g, depth, nu = 0.3, 0.2, 0.1, 1.3, 2.0, 0.7, 0.05
    q = 2 / 3
    u, v, eta = a * np.cos(q * Y), b * np.sin(X), c * np.cos(X)
    model = ShallowWater(GRID, depth, g, f, viscosity=nu, hyperviscosity=0.01)
    state = model.initial_state(np.stack([u, v, eta]))
    zeta = b * np.cos(X) + a * q * np.sin(q * Y)
    u_tendency = (f + zeta) * v - (-g * c * np.sin(X) + b**2 * np.sin(X) * np.cos(X))
    v_tendency = -(f + zeta) * u + a**2 * q * np.cos(q * Y) * np.sin(q * Y)
    slow = [
        u_tendency - (nu * q**2 + 0.01 * q**8) * u,
        v_tendency - (nu + 0.01) * v,
        c * np.sin(X) * u - 0.01 * eta,
    ]
    tendency = model.fields(model.tendency(0.0, state))
    np.testing.assert_allclose(tendency, slow, atol=1e-13)
    vorticity = model.scheme_inputs(0.0, state, frozenset({"vorticity"}), None)["vorticity"]
    np.testing.assert_allclose(vorticity, zeta, atol=1e-14)


def test_inertia_gravity_waves_have_their_frequency(x64):
    f, g, depth, k, q, amplitude = 1.5, 2.0, 0.8, 2.0, 4 / 3, 1e-7
    model = ShallowWater(GRID, depth, g, f)
    frequency = np.sqrt(f**2 + g * depth * (k**2 + q**2))
    duration = 2.25 * 2 * np.pi / frequency

    def wave(time):
        phase = k * X + q * Y - frequency * time
        squared = (k**2 + q**2) * depth
        u = (k * frequency * np.cos(phase) - q * f * np.sin(phase)) / squared
        v = (q * frequency * np.cos(phase) + k * f * np.sin(phase)) / squared
        return np.stack([u, v, np.cos(phase)])

    end = integrate(model, model.initial_state(amplitude * wave(0.0)), duration / 400, duration)
    np.testing.assert_allclose(model.fields(end) / amplitude, wave(duration), atol=2e-6)


def test_a_balanced_jet_is_steady(x64):
    """Jets that do not turn are exact solutions of the whole equations in geostrophic balance."""
    model = ShallowWater(GRID, mean_depth=1.0, gravity=2.0, coriolis=1.5)
    elevation = 0.2 * np.cos(2 / 3 * Y + 0.2)
    velocity = model.geostrophic_velocity(jnp.asarray(elevation))
    np.testing.assert_allclose(velocity[0], 0.8 / 4.5 * np.sin(2 / 3 * Y + 0.2), atol=1e-14)
    state = model.initial_state(np.stack([*velocity, elevation]))
    assert np.abs(model.fields(model.tendency(0.0, state))).max() < 1e-14
    # Along another direction it is not the same flow.
    turned = model.geostrophic_velocity(jnp.asarray(0.2 * np.cos(X)))
    np.testing.assert_allclose(turned[1], -0.8 / 3 * np.sin(X), atol=1e-14)


def test_volume_is_conserved_to_the_last_bit_and_energy_with_the_step(x64):
    grid = SpectralGrid(32)
    x, y = grid.x[:, None], grid.y[None, :]
    flow = np.stack([np.sin(x + y), np.cos(x) + 0 * y, 1 + np.cos(x - y)])
    model = ShallowWater(grid)
    state = model.initial_state(0.1 * flow)
    errors = []
    for dt in (0.04, 0.02):
        end = integrate(model, state, dt, 2.0)
        assert np.array_equal(end[:, 2, 0, 0], state[:, 2, 0, 0]) and end[0, 2, 0, 0] != 0
        errors.append(abs(model.energy(end) / model.energy(state) - 1))
    assert np.abs(model.fields(end) - model.fields(state)).max() > 0.1
    assert errors[1] < 1e-8
    # The energy error of the Runge-Kutta method of fourth order falls with the fifth power.
    assert 4 < np.log2(errors[0] / errors[1]) < 5.3


def test_order_in_time_is_four(x64):
    model = ShallowWater(GRID, viscosity=0.01)
    state = model.initial_state(smooth_flow())
    exact = integrate(model, state, 0.05 / 16, 1.0)
    errors = [np.abs(integrate(model, state, dt, 1.0) - exact).max() for dt in (0.05, 0.025)]
    assert abs(np.log2(errors[0] / errors[1]) - 4) < 0.2


def test_a_scheme_changes_velocity_but_not_the_volume(x64):
    plain = ShallowWater(GRID)
    coupled = plain.replace(subgrid=Friction(0.5, 0.3))
    state = plain.initial_state(smooth_flow())
    u, v, elevation = plain.fields(state)
    change = plain.fields(coupled.tendency(0.0, state) - plain.tendency(0.0, state))
    expected = [-0.5 * u, -0.5 * v, 0.3 * (elevation - elevation.mean())]
    np.testing.assert_allclose(change, expected, atol=1e-14)
    whole = from_real_view(coupled.tendency(0.0, state))
    assert whole[2, 0, 0] == 0


def test_gradients_through_twenty_steps_equal_finite_differences(x64):
    weight = np.random.default_rng(0).normal(size=(3, *GRID.shape))

    @jax.jit
    def scalar(parameters):
        depth, coriolis, viscosity, displacement = parameters
        model = ShallowWater(GRID, depth, 1.0, coriolis, viscosity)
        state = model.initial_state(smooth_flow() + displacement * weight)
        states, _ = model.trajectory(state, 0.4, save_every=0.2, dt=0.02)
        return jnp.mean(weight * model.fields(states[-1]) ** 2)

    parameters = jnp.array([1.0, 1.2, 0.02, 0.0])
    gradient = np.asarray(jax.jit(jax.grad(scalar))(parameters))
    for i in range(4):
        shift = jnp.zeros(4).at[i].set(1e-5)
        difference = (scalar(parameters + shift) - scalar(parameters - shift)) / 2e-5
        assert abs(gradient[i] / difference - 1) < 1e-6


def test_runs_are_labelled_and_step_control_knows_the_gravity_waves():
    model = ShallowWater(GRID, mean_depth=1.0, gravity=4.0, hyperviscosity=1e-5)
    state = model.initial_state(smooth_flow())
    run = model.run(
        state, 0.5, save_every=0.5, step_control=CFL(model.courant_rate, 0.5), progress=False
    )
    assert run["elevation"].dims == ("time", "x", "y") and run["v"].attrs["units"] == "m s-1"
    np.testing.assert_allclose(run["elevation"].mean(("x", "y")), 0.05, atol=1e-7)
    spacing = 2 * np.pi / 16
    assert float(model.courant_rate(state)) == pytest.approx(2 * 2.0 / spacing, rel=0.2)

"""The scalar equations against exact solutions, invariants, orders and finite differences."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jaxtyping import Array

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.errors import GridMismatchError, SchemeMismatchError
from closurax.physics.pdes import (
    Advection,
    AllenCahn,
    Burgers,
    KuramotoSivashinsky,
    cole_hopf,
)
from closurax.physics.solvers import ETDRK4
from closurax.physics.spectral import PeriodicInterval, SpectralGrid, from_real_view, to_real_view

INTERVAL = PeriodicInterval(32)
SQUARE = SpectralGrid(12, 16)


class EddyViscosity(AbstractMemorylessScheme):
    """A constant viscosity as a scheme for the velocity."""

    coefficient: float | Array
    reads = (Quantity("spectral_velocity", "m s-1"),)
    returns = (Quantity("spectral_velocity_tendency", "m s-2"),)

    def tendencies(self, inputs):
        diffused = to_real_view(inputs["grid"].laplacian(inputs["spectral_velocity"]))
        return {"spectral_velocity_tendency": from_real_view(self.coefficient * diffused)}


class Relaxation(AbstractMemorylessScheme):
    """Back to zero at a constant rate, on the grid points."""

    rate: float
    reads = (Quantity("tracer", "1"),)
    returns = (Quantity("tracer_tendency", "s-1"),)

    def tendencies(self, inputs):
        return {"tracer_tendency": -self.rate * inputs["tracer"]}


def integrate(model, state, dt, duration):
    return _integrate(model, state, *(jnp.asarray(t) for t in (dt, duration)))


@eqx.filter_jit
def _integrate(model, state, dt, duration):
    return diffrax.diffeqsolve(
        model.terms(state.dtype), ETDRK4(), 0.0, duration, dt, state, max_steps=None
    ).ys[0]


def noise(grid, seed=0):
    return np.random.default_rng(seed).normal(size=grid.shape)


def test_advection_translates_exactly_and_a_scheme_damps_it(x64):
    speed, kappa, duration = 0.7, 0.02, 3.0
    model = Advection(INTERVAL, speed=speed, diffusivity=kappa)
    field = np.cos(3 * INTERVAL.x + 0.1) + np.sin(10 * INTERVAL.x)
    shifted = INTERVAL.x - speed * duration
    exact = np.exp(-9 * kappa * duration) * np.cos(3 * shifted + 0.1)
    exact = exact + np.exp(-100 * kappa * duration) * np.sin(10 * shifted)
    start = model.initial_state(field)
    end = model.field(integrate(model, start, 1.5, duration))
    np.testing.assert_allclose(end, exact, atol=1e-13)

    damped = model.replace(subgrid=Relaxation(0.25))
    end = damped.field(integrate(damped, start, 0.02, duration))
    np.testing.assert_allclose(end, np.exp(-0.25 * duration) * exact, atol=1e-8)


def test_burgers_equals_cole_hopf(x64):
    """At a viscosity that the grid resolves, by a resolved and a subgrid viscosity."""
    grid = PeriodicInterval(128)
    half = Burgers(grid, viscosity=0.1, schemes={"subgrid": EddyViscosity(0.1)})
    exact = cole_hopf(grid.x, 1.2, viscosity=0.2)
    for model in (Burgers(grid, viscosity=0.2), half):
        end = integrate(model, model.initial_state(np.sin(grid.x)), 2e-3, 1.2)
        np.testing.assert_allclose(model.field(end), exact, atol=2e-10)
    assert np.abs(exact - np.exp(-0.2 * 1.2) * np.sin(grid.x)).max() > 0.1


@pytest.mark.parametrize("model", [Burgers(INTERVAL), KuramotoSivashinsky(INTERVAL)])
def test_self_advection_conserves_the_mean_and_the_energy(x64, model):
    state = model.initial_state(noise(INTERVAL) + 0.4)
    tendency_hat = np.asarray(from_real_view(model.dynamics_tendency(0.0, state, None)))
    assert tendency_hat[0] == 0
    tendency = np.asarray(INTERVAL.to_physical(jnp.asarray(tendency_hat)))
    velocity = np.asarray(model.field(state))
    assert abs(np.mean(velocity * tendency)) < 1e-13 * np.std(velocity) * np.std(tendency)
    assert np.std(tendency) > 0.1


def test_small_waves_grow_at_the_linear_rates_of_kuramoto_sivashinsky(x64):
    grid = PeriodicInterval(32, 22.0)
    model = KuramotoSivashinsky(grid, anti_diffusion=1.1, hyperviscosity=0.9)
    start = model.initial_state(1e-10 * noise(grid))
    end = integrate(model, start, 0.05, 0.5)
    before, after = (np.abs(np.asarray(from_real_view(state)))[:8] for state in (start, end))
    k = 2 * np.pi / 22.0 * np.arange(8)
    expected = 1.1 * k**2 - 0.9 * k**4
    assert expected.max() > 0.3 and expected.min() < -5
    np.testing.assert_allclose(np.log(after / before) / 0.5, expected, atol=1e-6)


def test_chaos_of_kuramoto_sivashinsky_stays_bounded_and_keeps_its_mean():
    grid = PeriodicInterval(64, 22.0)
    model = KuramotoSivashinsky(grid)
    field = np.cos(2 * np.pi * grid.x / 22.0) + 0.1 * np.sin(4 * np.pi * grid.x / 22.0) + 0.25
    run = model.run(model.initial_state(field), 100.0, save_every=25.0, dt=0.25, progress=False)
    velocity = run["velocity"]
    assert velocity.dims == ("time", "x") and velocity.dtype == np.float32
    assert velocity.attrs["units"] == "m s-1"
    np.testing.assert_allclose(velocity.mean("x"), 0.25, atol=1e-5)
    later = velocity.isel(time=slice(2, None))
    assert 0.5 < float(later.std()) < 2.5 and float(abs(later).max()) < 5


def cube_by_padding(grid, field):
    """The resolved coefficients of the cube, from four times the points."""
    factor = 4
    coefficients = np.fft.fftshift(np.fft.fft2(field)) / field.size
    padded = np.zeros((factor * grid.nx, factor * grid.ny), complex)
    left = [(factor - 1) * n // 2 for n in grid.shape]
    padded[left[0] : left[0] + grid.nx, left[1] : left[1] + grid.ny] = coefficients
    fine = np.fft.ifft2(np.fft.ifftshift(padded)).real * padded.size
    cube = np.fft.fftshift(np.fft.fft2(fine**3)) / fine.size
    cut = cube[left[0] : left[0] + grid.nx, left[1] : left[1] + grid.ny]
    return np.fft.ifftshift(cut)[:, : grid.ny // 2 + 1] * field.size


def test_the_cube_is_free_of_aliasing(x64):
    model = AllenCahn(SQUARE, reaction_rate=0.5)
    state = model.initial_state(noise(SQUARE))
    slow = cube_by_padding(SQUARE, np.asarray(model.field(state))) * SQUARE.resolved
    fast = from_real_view(model.dynamics_tendency(0.0, state, None))
    np.testing.assert_allclose(fast, -0.5 * slow, atol=1e-12)


def test_elliptic_waves_are_steady(x64):
    """u = a sn(x / d | m) with d^2 = (1 + m) kappa / r and a^2 = 2 m / (1 + m)."""
    m, rate = 0.6, 0.7
    grid = SpectralGrid(96, 4, 1.0, 1.0)
    width = 1 / (4 * scipy.special.ellipk(m))
    model = AllenCahn(grid, diffusivity=rate * width**2 / (1 + m), reaction_rate=rate)
    wave = np.sqrt(2 * m / (1 + m)) * scipy.special.ellipj(grid.x / width, m)[0]
    field = np.repeat(wave[:, None], 4, axis=1)
    tendency = model.field(model.tendency(0.0, model.initial_state(field)))
    assert np.abs(tendency).max() < 1e-12


def test_fronts_travel_at_their_exact_speed(x64):
    """Phase 1 invades 0 as (1 - tanh((x - c t) / 2 w)) / 2, c = 3 sqrt(r kappa / 2)."""
    kappa, rate, length, duration = 1.0, 1.3, 120.0, 4.0
    grid = SpectralGrid(384, 4, length, length)
    model = AllenCahn(grid, diffusivity=kappa, reaction_rate=rate)
    speed, width = 3 * np.sqrt(rate * kappa / 2), np.sqrt(2 * kappa / rate)

    def patch(half_width):
        x = np.abs(grid.x - length / 2)[:, None] * np.ones((1, 4))
        return (1 - np.tanh((x - half_width) / (2 * width))) / 2

    end = integrate(model, model.initial_state(patch(25.0)), 0.02, duration)
    np.testing.assert_allclose(model.field(end), patch(25.0 + speed * duration), atol=1e-6)


@pytest.mark.parametrize(
    "model, field, dt",
    [
        (Burgers(INTERVAL, viscosity=0.1), np.sin(INTERVAL.x) + np.cos(2 * INTERVAL.x), 0.02),
        (
            KuramotoSivashinsky(INTERVAL, hyperviscosity=0.3),
            np.sin(INTERVAL.x) + np.cos(2 * INTERVAL.x),
            0.01,
        ),
        (AllenCahn(SQUARE, diffusivity=0.1), 0.5 * noise(SQUARE), 0.1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, eqx.Module) else "",
)
def test_order_in_time_is_four(x64, model, field, dt):
    state = model.initial_state(field)
    exact = integrate(model, state, dt / 16, 0.8)
    errors = [np.abs(integrate(model, state, step, 0.8) - exact).max() for step in (dt, dt / 2)]
    assert abs(np.log2(errors[0] / errors[1]) - 4) < 0.2
    scale = np.abs(exact).max()
    assert 1e-12 * scale < errors[1] < 1e-4 * scale


def test_the_free_energy_of_the_truncated_equation_falls(x64):
    grid = SpectralGrid(24)
    model = AllenCahn(grid, diffusivity=0.02, reaction_rate=2.0)
    states, _ = jax.jit(lambda state: model.trajectory(state, 4.0, save_every=0.25, dt=0.025))(
        model.initial_state(0.5 * noise(grid))
    )

    def energy(state):
        # The mean of u^4 of a resolved field needs no more than the coefficients of its cube.
        field_hat = np.asarray(from_real_view(state))
        cube_hat = cube_by_padding(grid, np.asarray(model.field(state)))
        weight = grid.parseval_weight
        square = np.sum(weight * np.abs(field_hat) ** 2)
        gradient = np.sum(weight * grid.k_squared * np.abs(field_hat) ** 2)
        fourth = np.sum(weight * (np.conj(field_hat) * cube_hat).real)
        return 0.02 * gradient / 2 + 2.0 * (fourth - 2 * square + 1) / 4

    energies = np.array([energy(state) for state in states])
    assert np.all(np.diff(energies) < 0) and energies[-1] < 0.5 * energies[0]


def test_gradients_through_twenty_steps_equal_finite_differences(x64):
    field, direction, weight = (noise(INTERVAL, seed) for seed in range(3))

    @jax.jit
    def scalar(parameters):
        viscosity, eddy_viscosity, displacement = parameters
        model = Burgers(INTERVAL, viscosity, {"subgrid": EddyViscosity(eddy_viscosity)})
        state = model.initial_state(field + displacement * direction)
        states, _ = model.trajectory(state, 0.2, save_every=0.1, dt=0.01)
        return jnp.mean(weight * model.field(states[-1]) ** 2)

    parameters = jnp.array([0.05, 0.02, 0.0])
    gradient = np.asarray(jax.jit(jax.grad(scalar))(parameters))
    for i in range(3):
        shift = jnp.zeros(3).at[i].set(1e-6)
        difference = (scalar(parameters + shift) - scalar(parameters - shift)) / 2e-6
        assert abs(gradient[i] / difference - 1) < 1e-6


def test_what_does_not_fit_is_refused():
    with pytest.raises(GridMismatchError, match="velocity has shape"):
        Burgers(INTERVAL).initial_state(np.zeros(16))
    with pytest.raises(SchemeMismatchError, match="reads 'spectral_velocity'"):
        AllenCahn(SQUARE).replace(subgrid=EddyViscosity(0.1))


def test_members_run_side_by_side():
    model = AllenCahn(SQUARE)
    fields = 0.5 * np.stack([noise(SQUARE, seed) for seed in range(2)])
    run = model.run(model.initial_state(fields), 0.2, save_every=0.2, dt=0.1, progress=False)
    assert run["phase"].dims == ("member", "time", "x", "y")
    alone = model.run(model.initial_state(fields[1]), 0.2, save_every=0.2, dt=0.1, progress=False)
    np.testing.assert_allclose(run["phase"][1], alone["phase"], atol=1e-6)

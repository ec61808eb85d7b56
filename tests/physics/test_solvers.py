"""The solvers' order of accuracy, their coefficients, and when they recompute them."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.solvers import (
    CFL,
    ETDRK2,
    ETDRK4,
    IFRK4,
    DiagonalLinearTerm,
    DiagonalRootFinder,
    OncePerStep,
)
from closurax.physics.spectral import SpectralGrid, from_real_view, to_real_view
from closurax.physics.turbulence import BarotropicVorticity

GRID = SpectralGrid(16)
DURATION = 0.4


class EddyViscosity(AbstractMemorylessScheme):
    coefficient: float | Array
    reads = (Quantity("spectral_vorticity", "s-1"),)
    returns = (Quantity("spectral_vorticity_tendency", "s-2"),)

    def tendencies(self, inputs):
        diffused = inputs["grid"].laplacian(inputs["spectral_vorticity"])
        tendency = to_real_view(diffused) * self.coefficient
        return {"spectral_vorticity_tendency": from_real_view(tendency)}


def smooth_state(model, amplitude=6.0):
    x, y = GRID.x[:, None], GRID.y[None, :]
    vorticity = np.sin(x + 0.3) * np.cos(2 * y) + np.cos(3 * x - y) + np.sin(2 * x + 3 * y)
    return model.initial_state(jnp.asarray(amplitude * vorticity))


def flow(viscosity=0.2, beta=None, drag=0.1):
    """With arrays for parameters, so that flows share compiled functions."""
    parameters = dict(viscosity=jnp.asarray(viscosity), drag=jnp.asarray(drag))
    if beta is not None:
        parameters["beta"] = jnp.asarray(beta)
    return BarotropicVorticity(GRID, **parameters)


def integrate(model, state, solver, dt, start=0.0, end=DURATION):
    return _integrate(model, state, solver, *(jnp.asarray(t) for t in (dt, start, end)))


@eqx.filter_jit
def _integrate(model, state, solver, dt, start, end):
    return diffrax.diffeqsolve(
        model.terms(state.dtype), solver, start, end, dt, state, max_steps=None
    ).ys[0]


@eqx.filter_jit
def integrate_once_per_step(model, state, solver, dt):
    return diffrax.diffeqsolve(
        model.once_per_step_terms(state.dtype),
        OncePerStep(solver),
        0.0,
        DURATION,
        dt,
        (state, model.initial_memory(state)),
        max_steps=None,
    ).ys[0][0]


def observed_order(solve, reference, dt):
    errors = [jnp.max(jnp.abs(solve(h) - reference)) for h in (dt, dt / 2)]
    return float(jnp.log2(errors[0] / errors[1]))


# The linear part is real without the beta effect and complex with it.
BETA = {"real": None, "complex": 30.0}
REFERENCES = {}


def reference(name):
    if name not in REFERENCES:
        model = flow(beta=BETA[name])
        REFERENCES[name] = integrate(model, smooth_state(model), ETDRK4(), DURATION / 2048)
    return REFERENCES[name]


IMPLICIT = dict(root_finder=DiagonalRootFinder())


@pytest.mark.parametrize("name", ["real", "complex"])
@pytest.mark.parametrize(
    "solver, order, steps",
    [
        (ETDRK2(), 2, 128),
        (ETDRK4(), 4, 64),
        (IFRK4(), 4, 64),
        (diffrax.KenCarp3(**IMPLICIT), 3, 128),
        (diffrax.KenCarp4(**IMPLICIT), 4, 64),
        (diffrax.Sil3(**IMPLICIT), 2, 128),
        (diffrax.Tsit5(), 5, 96),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, diffrax.AbstractSolver) else "",
)
def test_temporal_order(x64, name, solver, order, steps):
    model = flow(beta=BETA[name])
    state = smooth_state(model)
    dt = DURATION / steps
    # The same solver's limit, which rounding has spoilt less than the thousands of steps of the
    # common reference; the two must be the same solution.
    limit = integrate(model, state, solver, dt / 16)
    scale = np.abs(reference(name)).max()
    np.testing.assert_allclose(limit, reference(name), atol=1e-5 * scale, rtol=0)
    observed = observed_order(lambda dt: integrate(model, state, solver, dt), limit, dt)
    assert abs(observed - order) < 0.15


def test_schemes_called_once_per_step_are_of_first_order(x64):
    model = flow(viscosity=0.02).replace(subgrid=EddyViscosity(0.03))
    state = smooth_state(model)
    exact = integrate(model, state, ETDRK4(), DURATION / 512)
    observed = observed_order(
        lambda dt: integrate_once_per_step(model, state, ETDRK4(), jnp.asarray(dt)),
        exact,
        DURATION / 64,
    )
    assert abs(observed - 1) < 0.15


def phi(n, z):
    """(exp(z) - 1 - ... - z^(n-1)/(n-1)!) / z^n, by the series for small z."""
    if abs(z) < 2:
        term, total = 1.0, 0.0
        for j in range(1, n + 1):
            term /= j
        for j in range(40):
            total += term
            term *= z / (n + j + 1)
        return total
    value = np.exp(z)
    for j in range(n):
        value = (value - 1 / np.prod(np.arange(1, j + 1), initial=1.0)) / z
    return value


@pytest.mark.parametrize("imaginary", [0.0, 0.7])
def test_coefficients_equal_the_phi_functions(x64, imaginary):
    """Kassam and Trefethen's coefficients in terms of phi_1, phi_2, phi_3."""
    z = np.array([0.0, -1e-9, -1e-5, -0.01, -0.5, -1.0, -1.1, -3.0, -40.0, -1e3, 0.5])
    z = z + 1j * imaginary * z if imaginary else z
    etdrk4 = ETDRK4().coefficients(jnp.asarray(z), jnp.ones((), z.dtype))
    etdrk2 = ETDRK2().coefficients(jnp.asarray(z), jnp.ones((), z.dtype))
    phi1, phi2, phi3, half = (
        np.array([phi(n, scale * value) for value in z])
        for n, scale in ((1, 1), (2, 1), (3, 1), (1, 0.5))
    )
    for coefficient, exact in (
        (etdrk2["phi1"], phi1),
        (etdrk2["phi2"], phi2),
        (etdrk4["q"], half / 2),
        (etdrk4["first"], phi1 - 3 * phi2 + 4 * phi3),
        (etdrk4["middle"], 2 * phi2 - 4 * phi3),
        (etdrk4["last"], -phi2 + 4 * phi3),
        (etdrk4["e"], np.exp(z)),
    ):
        assert jnp.iscomplexobj(coefficient) == bool(imaginary)
        np.testing.assert_allclose(coefficient, exact, rtol=1e-12, atol=2e-14)


def test_single_precision_coefficients_do_not_cancel():
    z = -np.concatenate([[0.0], np.logspace(-6, 3, 200)]).astype(np.float32)
    etdrk4 = ETDRK4().coefficients(jnp.asarray(z), jnp.ones((), jnp.float32))
    weights = np.asarray(etdrk4["first"] + 2 * etdrk4["middle"] + etdrk4["last"])
    exact = np.array([phi(1, value) for value in z.astype(float)])
    np.testing.assert_allclose(weights, exact, rtol=2e-5)


class CountingETDRK2(ETDRK2):
    def coefficients(self, linear, h):
        jax.debug.callback(lambda: COUNTED.append(1))
        return super().coefficients(linear, h)


COUNTED = []


def test_coefficients_are_computed_once_at_a_constant_step():
    """Also with a member axis, where a `lax.cond` could turn into a computation of both sides."""
    model = BarotropicVorticity(GRID)
    members = jnp.stack([smooth_state(model), smooth_state(model, 3.0)])
    COUNTED.clear()
    model.run(members, 0.6, save_every=0.2, dt=0.01, solver=CountingETDRK2(), progress=False)
    jax.effects_barrier()
    assert len(COUNTED) == 3  # one for each segment between saves, not for each of 60 steps


def test_coefficients_follow_a_changing_step(x64):
    model = flow(beta=BETA["complex"])
    state = smooth_state(model)
    times = jnp.asarray(np.concatenate([np.linspace(0, 0.1, 41), np.linspace(0.11, DURATION, 30)]))
    COUNTED.clear()

    @eqx.filter_jit
    def uneven(solver):
        return diffrax.diffeqsolve(
            model.terms(state.dtype),
            solver,
            0.0,
            DURATION,
            None,
            state,
            stepsize_controller=diffrax.StepTo(times),
        ).ys[0]

    np.testing.assert_allclose(uneven(ETDRK4()), reference("complex"), atol=2e-5, rtol=0)
    uneven(CountingETDRK2())
    jax.effects_barrier()
    assert 1 < len(COUNTED) < 6


def test_cfl_run_gives_the_answer_of_a_constant_step(x64):
    model = flow(beta=BETA["complex"])
    state = smooth_state(model)
    control = CFL(model.courant_rate, courant=0.1, dt_max=0.02)

    @jax.jit
    def solve():
        solution = diffrax.diffeqsolve(
            model.terms(state.dtype),
            ETDRK4(),
            0.0,
            DURATION,
            None,
            state,
            stepsize_controller=control,
            saveat=diffrax.SaveAt(t0=True, steps=True),
            max_steps=512,
        )
        return solution.ts, solution.ys

    ts, states = solve()
    count = int(np.isfinite(ts).sum())
    steps = np.diff(ts[:count])
    assert np.isclose(ts[count - 1], DURATION)
    rates = np.array([model.courant_rate(s) for s in states[: count - 1]])
    assert (rates * steps <= 0.1 * (1 + 1e-9)).all()
    assert len(np.unique(steps[:-1].round(12))) > 1  # the flow decays: the step grows
    np.testing.assert_allclose(states[count - 1], reference("complex"), atol=1e-4, rtol=0)


@pytest.mark.parametrize("solver", [ETDRK2(), ETDRK4(), IFRK4()], ids=["ETDRK2", "ETDRK4", "IFRK4"])
def test_backward_in_time_recovers_the_start(x64, solver):
    model = flow(viscosity=0.0, drag=0.0, beta=10.0)
    start = smooth_state(model)
    there = integrate(model, start, solver, 1 / 512, 0.0, 0.25)
    back = integrate(model, there, solver, -1 / 512, 0.25, 0.0)
    scale = jnp.max(jnp.abs(start))
    assert jnp.max(jnp.abs(there - start)) > 0.1 * scale
    assert jnp.max(jnp.abs(back - start)) < 1e-4 * scale


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    "solver, order", [(ETDRK2(), 2), (ETDRK4(), 4), (IFRK4(), 4)], ids=["ETDRK2", "ETDRK4", "IFRK4"]
)
def test_explicit_terms_that_depend_on_time(x64, solver, order, backward):
    """y' = lambda y + cos(3 t), whose solution is known."""
    rate = complex(-0.5, 2.0)
    linear = DiagonalLinearTerm(jnp.full((1,), rate))
    explicit = diffrax.ODETerm(lambda t, y, args: jnp.cos(3 * t) * jnp.asarray([[1.0], [0.0]]))

    def particular(t):
        return (3 * np.sin(3 * t) - rate * np.cos(3 * t)) / (rate**2 + 9)

    def exact(t):
        value = (1 - particular(0.0)) * np.exp(rate * t) + particular(t)
        return jnp.asarray([[value.real], [value.imag]])

    t0, t1 = (2.0, 0.0) if backward else (0.0, 2.0)

    @jax.jit
    def solve(dt):
        terms = diffrax.MultiTerm(explicit, linear)
        dt = -dt if backward else dt
        return diffrax.diffeqsolve(terms, solver, t0, t1, dt, exact(t0)).ys[0]

    assert abs(observed_order(solve, exact(t1), 1 / 32) - order) < 0.15

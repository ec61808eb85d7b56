"""The column as one system of differential equations, for solvers of higher order."""

import dataclasses

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.datasets import bomex
from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.column import (
    AtmosphericColumn,
    BoundaryLayerDiffusion,
    CloudCondensation,
    ImplicitDiffusion,
    PrescribedTendencies,
    RainOut,
    TimeSeries,
)
from closurax.physics.errors import ClosuraxError
from closurax.physics.solvers import OncePerStep

CASE = bomex(np.linspace(0.0, 3000.0, 13))


class Mixing(AbstractMemorylessScheme):
    """Takes the column to its mean vapour within four hours, with rain of the vapour's mean."""

    reads = (Quantity("vapour_mixing_ratio", "kg kg-1"),)
    returns = (
        Quantity("vapour_tendency", "kg kg-1 s-1"),
        Quantity("precipitation_rate", "kg m-2 s-1"),
    )

    def tendencies(self, inputs):
        vapour = inputs["vapour_mixing_ratio"]
        mean = jnp.mean(vapour)
        return {"vapour_tendency": (mean - vapour) / 14400.0, "precipitation_rate": 0.01 * mean}


def column():
    """BOMEX without what is not smooth: upstream advection switches, and so does condensation."""
    model = AtmosphericColumn.from_case(CASE)
    diurnal = TimeSeries(
        np.linspace(0, 7200, 13),
        {"temperature": np.outer(np.sin(np.linspace(0, 3, 13)), np.full(12, 1e-4))},
    )
    return dataclasses.replace(
        model,
        processes=(*model.processes[:-1], PrescribedTendencies(diurnal)),
        adjustments=(ImplicitDiffusion(BoundaryLayerDiffusion(background=1.0)),),
    )


def end(model, dt, solver=None, duration=2400.0, **kwargs):
    state = model.case_state(CASE)
    return model.trajectory(
        state, duration, save_every=duration, dt=dt, solver=solver, **kwargs
    )[0]  # fmt: skip


def error(states, reference):
    return float(jnp.abs(states.temperature[-1] - reference.temperature[-1]).max())


@pytest.fixture
def reference(x64):
    model = column().continuous().replace(convection=Mixing())
    return model, end(model, 10.0, diffrax.Dopri8())


@pytest.mark.parametrize(
    "solver, order", [(diffrax.Euler(), 1), (diffrax.Heun(), 2), (diffrax.Bosh3(), 3)]
)
def test_order_of_convergence(reference, solver, order):
    """With convection at every stage, the whole column converges with the solver's order."""
    model, exact = reference
    errors = [error(end(model, dt, solver), exact) for dt in (40.0, 20.0)]
    assert errors[1] > 1e-12
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), order, atol=0.35)


def test_convection_once_per_step_is_of_first_order(reference):
    """The dynamics keep the order of the solver; the splitting of convection has order one."""
    model, exact = reference
    vapour = [
        float(jnp.abs(end(model, dt, OncePerStep(diffrax.Bosh3())).vapour - exact.vapour).max())
        for dt in (40.0, 20.0)
    ]
    np.testing.assert_allclose(np.log2(vapour[0] / vapour[1]), 1, atol=0.1)


def test_an_implicit_solver_takes_long_steps(x64):
    """Diffusion between thin layers limits explicit steps, but not those of an implicit method."""
    # With a fixed boundary layer the diffusivity is smooth in time.
    case = bomex(np.linspace(0.0, 1200.0, 25)).assign(boundary_layer_height=("time", [900.0]))
    model = AtmosphericColumn.from_case(case)
    model = dataclasses.replace(model, adjustments=(ImplicitDiffusion(),)).continuous()
    state = model.case_state(case)

    def temperature(dt, solver):
        states, _ = model.trajectory(state, 1200.0, save_every=1200.0, dt=dt, solver=solver)
        return states.temperature[-1]

    exact = temperature(4.0, diffrax.Heun())
    solver = diffrax.Kvaerno3(root_finder=diffrax.VeryChord(rtol=1e-8, atol=1e-8))
    assert jnp.abs(temperature(120.0, solver) - exact).max() < 0.01
    assert not jnp.abs(temperature(120.0, diffrax.Heun()) - exact).max() < 0.01


def test_the_time_split_run_tends_to_the_continuous_one(reference):
    """The step of the time-split column converges to it, with order one."""
    _, exact = reference
    split = column().replace(convection=Mixing())
    errors = [error(end(split, dt), exact) for dt in (120.0, 60.0, 30.0)]
    np.testing.assert_allclose(np.log2(errors[:-1]) - np.log2(errors[1:]), 1, atol=0.25)


@pytest.mark.parametrize("adjustment", [RainOut(3), CloudCondensation()])
def test_condensation_as_a_tendency_tends_to_the_adjustment(x64, adjustment):
    """Cooling air that is saturated: a shorter time scale comes closer to condensing at once."""
    model = AtmosphericColumn.from_case(CASE.drop_vars("pressure_velocity"))
    cooling = TimeSeries(np.zeros(1), {"temperature": np.full((1, 12), -1e-3)})
    model = dataclasses.replace(
        model, processes=(PrescribedTendencies(cooling),), adjustments=(adjustment,)
    )
    exact = end(model, 2.0, duration=1800.0)
    errors = [
        error(end(model.continuous(scale), 2.0, diffrax.Heun(), duration=1800.0), exact)
        for scale in (120.0, 60.0)
    ]
    assert float(jnp.max(exact.temperature[-1] - exact.temperature[0])) > -1.7
    assert errors[1] < 0.05
    np.testing.assert_allclose(errors[0] / errors[1], 2, rtol=0.15)


def test_tendency_is_the_derivative_of_the_run(x64):
    model = column().continuous().replace(convection=Mixing())
    state = model.case_state(CASE)
    tendency = model.tendency(0.0, state)
    short = end(model, 0.01, diffrax.Heun(), duration=0.01)
    for name in ("temperature", "vapour", "eastward_wind", "convective_precipitation"):
        moved = (getattr(short, name)[1] - getattr(short, name)[0]) / 0.01
        np.testing.assert_allclose(moved, getattr(tendency, name), rtol=1e-3, atol=1e-9)


def test_adjustments_must_become_tendencies_first():
    with pytest.raises(ClosuraxError, match="make the adjustments tendencies"):
        end(column(), 60.0, diffrax.Heun(), schemes_called="every stage")
    assert column().continuous().adjustments == ()


def test_gradient_through_a_solver_of_higher_order(x64):
    """Of the last wind with respect to a parameter of the forcing, against differences."""
    base = column().continuous().replace(convection=Mixing())

    def wind(coriolis):
        processes = eqx.tree_at(lambda p: p[3].coriolis_parameter, base.processes, coriolis)
        model = dataclasses.replace(base, processes=processes)
        return jnp.sum(end(model, 60.0, diffrax.Heun()).eastward_wind[-1])

    value, compiled = jnp.asarray(1e-4), jax.jit(wind)
    gradient = jax.grad(compiled)(value)
    difference = (compiled(value + 1e-7) - compiled(value - 1e-7)) / 2e-7
    np.testing.assert_allclose(gradient, difference, rtol=1e-6)

"""Schemes that wrap schemes."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics import AbstractMemorylessScheme, Quantity
from closurax.physics.closures import (
    GradientModel,
    JansenHeldBackscatter,
    Leith,
    NoClosure,
    Smagorinsky,
    TimeAveragedDynamicLeith,
)
from closurax.physics.coupling import Dissipative, Limited, LocallyDissipative, Scaled, Sum
from closurax.physics.errors import ClosuraxError, SchemeMismatchError
from closurax.physics.solvers import ETDRK2
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, random_vorticity

GRID = SpectralGrid(16)
SPECTRAL = "spectral_vorticity_tendency"


class Pointwise(AbstractMemorylessScheme):
    """A scheme that maps the vorticity to its tendency point by point."""

    function: Callable
    reads = (Quantity("vorticity", "s-1"),)
    returns = (Quantity("vorticity_tendency", "s-2"),)

    def tendencies(self, inputs):
        return {"vorticity_tendency": self.function(inputs["vorticity"])}


class PerDay(AbstractMemorylessScheme):
    reads = (Quantity("spectral_vorticity", "day-1"),)
    returns = (Quantity(SPECTRAL, "s-2"),)

    def tendencies(self, inputs):
        return {SPECTRAL: inputs["spectral_vorticity"]}


BACKSCATTER = Scaled(JansenHeldBackscatter(), -1.0)


@pytest.fixture
def inputs(getkey, x64):
    vorticity = random_vorticity(GRID, getkey(), peak_wavenumber=2.0, dtype="float64")
    vorticity = vorticity - jnp.mean(vorticity)
    return {
        "grid": GRID,
        "vorticity": vorticity,
        "spectral_vorticity": GRID.to_spectral(vorticity),
    }


@eqx.filter_jit
def call(scheme, inputs):
    return scheme(inputs, scheme.initial_carry(inputs))[0]


def physical(tendencies):
    ((name, tendency),) = tendencies.items()
    return GRID.to_physical(tendency) if name == SPECTRAL else tendency


def test_sum_adds_tendencies_and_keeps_memories_apart(inputs):
    first, second = Leith(), TimeAveragedDynamicLeith(5.0)
    both = Sum(first, second)
    carry = both.initial_carry(inputs)
    assert carry[0] is None and carry[1].shape == (2,)
    tendencies, new_carry = both(inputs, carry)
    expected, expected_carry = second(inputs, carry[1])
    np.testing.assert_allclose(
        tendencies[SPECTRAL], expected[SPECTRAL] + call(first, inputs)[SPECTRAL], rtol=1e-12
    )
    assert new_carry[0] is None
    np.testing.assert_array_equal(new_carry[1], expected_carry)


def test_sum_reads_what_either_reads():
    both = Sum(Dissipative(Leith()), LocallyDissipative(Smagorinsky()))
    assert both.reads == (Quantity("spectral_vorticity", "s-1"),)
    with_physical = Sum(Pointwise(jnp.sin), LocallyDissipative(Pointwise(jnp.cos)))
    assert {q.name for q in with_physical.reads} == {"vorticity", "spectral_vorticity"}


def test_sum_passes_on_what_only_one_returns(inputs):
    first, second = Leith(), Pointwise(jnp.sin)
    both = Sum(first, second)
    assert both.returns == first.returns + second.returns
    tendencies = call(both, inputs)
    assert set(tendencies) == {SPECTRAL, "vorticity_tendency"}
    np.testing.assert_array_equal(tendencies[SPECTRAL], call(first, inputs)[SPECTRAL])
    np.testing.assert_array_equal(tendencies["vorticity_tendency"], jnp.sin(inputs["vorticity"]))


def test_sum_in_different_units_is_refused():
    with pytest.raises(SchemeMismatchError, match="'spectral_vorticity' in 's-1' and in 'day-1'"):
        Sum(Leith(), PerDay())


def test_sum_with_the_opposite_is_nothing(inputs):
    tendencies = call(Sum(Leith(), Scaled(Leith(), -1.0)), inputs)
    np.testing.assert_array_equal(tendencies[SPECTRAL], 0)


@pytest.mark.parametrize("scheme", [Leith(), Pointwise(jnp.sin)])
def test_scaled_is_linear_and_differentiable_in_its_factor(scheme, inputs):
    def total(factor):
        return jnp.sum(physical(call(Scaled(scheme, factor), inputs)) ** 2)

    one = total(1.0)
    np.testing.assert_allclose(total(jnp.asarray(3.0)), 9 * one, rtol=1e-12)
    np.testing.assert_allclose(jax.grad(total)(jnp.asarray(3.0)), 6 * one, rtol=1e-12)


@pytest.mark.parametrize("scheme", [Leith(), Pointwise(lambda w: 0.01 * w**3)])
def test_limited_clips_each_point_and_nothing_else(scheme, inputs):
    free = physical(call(scheme, inputs))
    limit = float(jnp.std(free))
    limited = physical(call(Limited(scheme, limit), inputs))
    np.testing.assert_allclose(limited, np.clip(free, -limit, limit), atol=1e-12 * limit)
    assert jnp.max(jnp.abs(free)) > 1.5 * limit
    loose = physical(call(Limited(scheme, 10 * limit + 10), inputs))
    np.testing.assert_allclose(loose, free, atol=1e-12 * limit)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_not_positive_is_refused(limit):
    with pytest.raises(ClosuraxError, match="must be positive"):
        Limited(Leith(), limit)


@pytest.mark.parametrize("scheme", [BACKSCATTER, Pointwise(lambda w: w + 0.1 * w**3)])
def test_dissipative_takes_production_to_exactly_zero(scheme, inputs):
    vorticity = inputs["vorticity"]
    free = physical(call(scheme, inputs))
    production = jnp.mean(vorticity * free)
    assert production > 0
    guarded = physical(call(Dissipative(scheme), inputs))
    assert abs(jnp.mean(vorticity * guarded)) < 1e-13 * production
    removed = free - guarded
    np.testing.assert_allclose(
        removed, vorticity * (production / jnp.mean(vorticity**2)), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("scheme", [Leith(), NoClosure(), Pointwise(lambda w: -(w**3))])
def test_dissipative_leaves_dissipation_alone(scheme, inputs):
    np.testing.assert_array_equal(
        physical(call(Dissipative(scheme), inputs)), physical(call(scheme, inputs))
    )


@pytest.mark.parametrize("scheme", [GradientModel(), Pointwise(lambda w: jnp.sin(3 * w))])
def test_locally_dissipative_removes_negative_viscosity(scheme, inputs):
    laplacian = GRID.to_physical(GRID.laplacian(inputs["spectral_vorticity"]))
    free = physical(call(scheme, inputs))
    clipped = physical(call(LocallyDissipative(scheme), inputs))
    backscatter = np.asarray(free * laplacian < 0)
    assert 0.1 < backscatter.mean() < 0.9
    np.testing.assert_allclose(
        clipped, np.where(backscatter, 0.0, free), atol=1e-13 * jnp.abs(free).max()
    )


@pytest.mark.parametrize("wrapper", [Dissipative, LocallyDissipative])
def test_dissipative_refuses_other_tendencies(wrapper):
    class Heating(AbstractMemorylessScheme):
        reads = ()
        returns = (Quantity("temperature_tendency", "K s-1"),)

        def tendencies(self, inputs):
            return {}

    with pytest.raises(SchemeMismatchError, match="Heating returns.*temperature_tendency"):
        wrapper(Heating())


@pytest.mark.parametrize("wrapper", [Dissipative, LocallyDissipative])
def test_fluid_at_rest_stays_at_rest(wrapper):
    rest = {"grid": GRID, "spectral_vorticity": jnp.zeros(GRID.spectral_shape, jnp.complex64)}
    tendency = call(wrapper(Leith()), rest)[SPECTRAL]
    assert tendency.dtype == jnp.complex64
    np.testing.assert_array_equal(tendency, 0)


def test_wrapped_schemes_run_inside_a_model_with_memory(getkey):
    scheme = Dissipative(
        Sum(
            Limited(Scaled(TimeAveragedDynamicLeith(10.0), 0.5), 100.0),
            LocallyDissipative(GradientModel(order=4)),
        )
    )
    model = BarotropicVorticity(GRID, forcing=None)
    state = model.initial_state(random_vorticity(GRID, getkey(), peak_wavenumber=2.0))
    run = model.replace(subgrid=scheme).run(
        state, 0.1, save_every=0.05, dt=0.01, solver=ETDRK2(), progress=False
    )
    enstrophy = (run.vorticity**2).mean(["x", "y"]).values
    assert np.all(np.diff(enstrophy) < 0)


def test_wrapper_of_a_mismatched_scheme_is_refused_by_the_model():
    model = BarotropicVorticity(GRID)
    with pytest.raises(SchemeMismatchError, match="'spectral_vorticity' in 'day-1'"):
        model.replace(subgrid=Scaled(PerDay(), 2.0))

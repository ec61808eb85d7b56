"""Closures against slow evaluations with the whole stress tensor, and against physics."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from closurax.physics.closures import (
    DynamicLeith,
    DynamicSmagorinsky,
    GradientModel,
    JansenHeldBackscatter,
    Leith,
    NoClosure,
    Smagorinsky,
    TimeAveragedDynamicLeith,
)
from closurax.physics.closures.germano import (
    clipped_coefficient,
    domain_mean,
    germano_identity,
    least_squares,
    local_mean,
)
from closurax.physics.errors import ClosuraxError, SchemeMismatchError
from closurax.physics.solvers import ETDRK2
from closurax.physics.spectral import SpectralGrid, gaussian_filter, spectral_resample
from closurax.physics.turbulence import BarotropicVorticity, vorticity_advection

GRID = SpectralGrid(16, 24, 2 * np.pi, 3 * np.pi)
SQUARE = SpectralGrid(32)
CLOSURES = [
    NoClosure(),
    Smagorinsky(),
    Smagorinsky(average="domain"),
    Leith(),
    Leith(average="domain"),
    DynamicSmagorinsky(),
    DynamicSmagorinsky(average="local"),
    DynamicLeith(),
    DynamicLeith(average="local"),
    JansenHeldBackscatter(),
    GradientModel(),
    GradientModel(order=4),
]
DISSIPATIVE = CLOSURES[1:9]


def describe(closure):
    options = [
        str(getattr(closure, name)) for name in ("average", "order") if name in vars(closure)
    ]
    return "-".join([type(closure).__name__, *options])


each_closure = pytest.mark.parametrize("closure", CLOSURES, ids=describe)


def turbulent_flow(grid, seed=0):
    """Resolved coefficients of a vorticity that has cascaded to all scales without dissipation."""
    return jnp.asarray(cascade(grid, seed))


@functools.cache
def cascade(grid, seed):
    noise = np.random.default_rng(seed).standard_normal(grid.shape)
    amplitude = np.exp(-grid.k_squared / 4) * (grid.k_squared > 0)

    def step(_, flow):
        k1 = vorticity_advection(grid, flow)
        k2 = vorticity_advection(grid, flow + 0.02 * k1)
        return flow + 0.04 * vorticity_advection(grid, flow + 0.02 * k2)

    with jax.enable_x64(True):
        start = jnp.asarray(np.fft.rfft2(noise) * amplitude * grid.resolved)
        start = start / jnp.std(grid.to_physical(start)).astype(start.dtype)
        return np.asarray(jax.jit(lambda flow: lax.fori_loop(0, 150, step, flow))(start))


@eqx.filter_jit
def subgrid_term(closure, grid, flow):
    return closure.vorticity_tendency(grid, flow)


class Slow:
    """The operations of a closure one at a time, on physical fields in numpy."""

    def __init__(self, grid):
        self.grid = grid
        self.kx = np.fft.fftfreq(grid.nx, grid.length_x / grid.nx / (2 * np.pi))[:, None]
        self.ky = np.fft.fftfreq(grid.ny, grid.length_y / grid.ny / (2 * np.pi))[None, :]
        self.k2 = self.kx**2 + self.ky**2
        modes = np.abs(np.fft.fftfreq(grid.nx, 1 / grid.nx))[:, None]
        self.resolved = (modes <= (grid.nx - 1) // 3) & (
            np.abs(np.fft.fftfreq(grid.ny, 1 / grid.ny))[None, :] <= (grid.ny - 1) // 3
        )

    def apply(self, transfer, field):
        return np.fft.ifft2(transfer * np.fft.fft2(field)).real

    def d(self, axis, field):
        return self.apply(1j * (self.kx, self.ky)[axis], field)

    def velocity(self, vorticity):
        inverse = -1 / np.where(self.k2 == 0, np.inf, self.k2)
        streamfunction = self.apply(inverse, vorticity)
        return -self.d(1, streamfunction), self.d(0, streamfunction)

    def strain(self, vorticity):
        """The tensor S_ij."""
        flow = self.velocity(vorticity)
        return np.array(
            [[(self.d(j, flow[i]) + self.d(i, flow[j])) / 2 for j in (0, 1)] for i in (0, 1)]
        )

    def strain_rate(self, vorticity):
        return np.sqrt(2 * np.sum(self.strain(vorticity) ** 2, axis=(0, 1)))

    def gradient_norm(self, vorticity):
        return np.hypot(self.d(0, vorticity), self.d(1, vorticity))

    def curl_divergence(self, stress):
        force = [sum(self.d(j, self.truncate(stress[i][j])) for j in (0, 1)) for i in (0, 1)]
        return self.d(0, force[1]) - self.d(1, force[0])

    def truncate(self, field):
        return self.apply(self.resolved, field)

    def unit_stress(self, vorticity, width, power):
        norm = self.strain_rate if power == 2 else self.gradient_norm
        return 2 * width**power * norm(vorticity) * self.strain(vorticity)

    def test_filter(self, field):
        modes_x = np.abs(np.fft.fftfreq(self.grid.nx, 1 / self.grid.nx))[:, None]
        modes_y = np.abs(np.fft.fftfreq(self.grid.ny, 1 / self.grid.ny))[None, :]
        half_x, half_y = (self.grid.nx - 1) // 3 // 2, (self.grid.ny - 1) // 3 // 2
        return self.apply((modes_x <= half_x) & (modes_y <= half_y), field)

    def germano(self, vorticity, power):
        """Both sides of the identity, from all four components of the stresses."""
        filtered = self.test_filter(vorticity)
        u, filtered_u = self.velocity(vorticity), self.velocity(filtered)
        stress = self.unit_stress(vorticity, self.grid.spacing, power)
        filtered_stress = self.unit_stress(filtered, 2 * self.grid.spacing, power)
        left, right = np.zeros_like(stress), np.zeros_like(stress)
        for i in (0, 1):
            for j in (0, 1):
                left[i, j] = self.test_filter(filtered_u[i] * filtered_u[j] - u[i] * u[j])
                right[i, j] = self.test_filter(filtered_stress[i, j] - stress[i, j])
        return self.curl_divergence(left), self.curl_divergence(right)


def slow_smagorinsky(slow, w, closure):
    nu = (0.17 * slow.grid.spacing) ** 2 * slow.strain_rate(w)
    if closure.average == "domain":
        nu = (0.17 * slow.grid.spacing) ** 2 * np.sqrt(np.mean(slow.strain_rate(w) ** 2))
    return slow.curl_divergence(2 * nu * slow.strain(w))


def slow_leith(slow, w, closure):
    norm = slow.gradient_norm(w)
    norm = np.mean(norm) if closure.average == "domain" else norm
    return slow.curl_divergence(2 * (0.2 * slow.grid.spacing) ** 3 * norm * slow.strain(w))


def slow_dynamic(slow, w, closure):
    power = 2 if isinstance(closure, DynamicSmagorinsky) else 3
    left, right = slow.germano(w, power)
    stress = slow.unit_stress(w, slow.grid.spacing, power)
    if closure.average == "domain":
        coefficient = np.mean(left * right) / np.mean(right * right)
        assert coefficient > 0
    else:
        transfer = np.exp(-slow.k2 * (4 * slow.grid.spacing) ** 2 / 24)
        numerator, denominator = (slow.apply(transfer, a) for a in (left * right, right * right))
        coefficient = np.maximum(numerator, 0) / denominator
        assert 0.1 < np.mean(coefficient > 0) < 0.9
    return slow.curl_divergence(coefficient * stress)


def slow_jansen_held(slow, w, closure):
    nu = 0.1**2 * slow.grid.spacing**4 * slow.strain_rate(w)
    u, v = slow.velocity(w)
    force = [-slow.apply(-slow.k2, nu * slow.apply(-slow.k2, component)) for component in (u, v)]
    force = [slow.truncate(component) for component in force]
    lost = -np.mean(u * force[0] + v * force[1])
    backscatter = -0.9 * lost / np.mean(w**2) * slow.apply(-slow.k2, w)
    return slow.d(0, force[1]) - slow.d(1, force[0]) + backscatter


def slow_gradient(slow, w, closure):
    width, flow = 2 * slow.grid.spacing, slow.velocity(w)
    stress = np.zeros((2, 2, *slow.grid.shape))
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                stress[i, j] += width**2 / 12 * slow.d(k, flow[i]) * slow.d(k, flow[j])
                for m in (0, 1):
                    if closure.order == 4:
                        stress[i, j] += (
                            (width**2 / 12) ** 2
                            / 2
                            * slow.d(k, slow.d(m, flow[i]))
                            * slow.d(k, slow.d(m, flow[j]))
                        )
    return -slow.curl_divergence(stress)


SLOW = {
    NoClosure: lambda slow, w, closure: np.zeros_like(w),
    Smagorinsky: slow_smagorinsky,
    Leith: slow_leith,
    DynamicSmagorinsky: slow_dynamic,
    DynamicLeith: slow_dynamic,
    JansenHeldBackscatter: slow_jansen_held,
    GradientModel: slow_gradient,
}


@each_closure
def test_equals_slow_evaluation(closure, x64):
    flow = turbulent_flow(GRID)
    slow = Slow(GRID)
    expected = slow.truncate(SLOW[type(closure)](slow, np.fft.irfft2(flow, s=GRID.shape), closure))
    actual = GRID.to_physical(subgrid_term(closure, GRID, flow))
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=1e-10 * (1e-9 + np.abs(expected).max())
    )
    assert isinstance(closure, NoClosure) or np.abs(expected).max() > 1e-6


@each_closure
def test_truncated_real_and_without_mean(closure, x64):
    flow = turbulent_flow(GRID)
    tendency = subgrid_term(closure, GRID, flow)
    assert tendency.dtype == flow.dtype
    assert tendency[0, 0] == 0
    np.testing.assert_array_equal(np.asarray(tendency)[~GRID.resolved], 0)
    again = GRID.to_spectral(GRID.to_physical(tendency))
    np.testing.assert_allclose(again, tendency, atol=1e-13 * (1 + jnp.abs(tendency).max()))


@each_closure
def test_turns_and_travels_with_the_flow(closure, x64):
    vorticity = SQUARE.to_physical(turbulent_flow(SQUARE))

    def tendency(field):
        return SQUARE.to_physical(subgrid_term(closure, SQUARE, SQUARE.to_spectral(field)))

    np.testing.assert_allclose(
        tendency(jnp.rot90(vorticity)), jnp.rot90(tendency(vorticity)), atol=1e-12
    )
    np.testing.assert_allclose(tendency(-vorticity[::-1]), -tendency(vorticity)[::-1], atol=1e-12)
    np.testing.assert_allclose(
        tendency(jnp.roll(vorticity, (3, 5), (0, 1))),
        jnp.roll(tendency(vorticity), (3, 5), (0, 1)),
        atol=1e-12,
    )


@each_closure
def test_scales_with_time_and_length(closure, x64):
    # All coefficients are dimensionless: twice the vorticity is half the time unit, and on a
    # domain three times as long the same vorticity field has the same tendency.
    flow = turbulent_flow(SQUARE)
    tendency = subgrid_term(closure, SQUARE, flow)
    tolerance = 1e-11 * np.abs(tendency).max()
    twice = subgrid_term(closure, SQUARE, 2 * flow)
    np.testing.assert_allclose(twice, 4 * tendency, rtol=0, atol=tolerance)
    long = subgrid_term(closure, SpectralGrid(32, 32, 6 * np.pi, 6 * np.pi), flow)
    np.testing.assert_allclose(long, tendency, rtol=0, atol=tolerance)


@pytest.mark.parametrize("closure", DISSIPATIVE, ids=describe)
def test_eddy_viscosities_dissipate_energy_and_enstrophy(closure, x64):
    flow = turbulent_flow(SQUARE)
    tendency = SQUARE.to_physical(subgrid_term(closure, SQUARE, flow))
    streamfunction = SQUARE.to_physical(SQUARE.inverse_laplacian(flow))
    assert -jnp.mean(streamfunction * tendency) < 0
    assert jnp.mean(SQUARE.to_physical(flow) * tendency) < 0


def test_local_stress_takes_the_energy_that_the_strain_says(x64):
    # -<psi Pi> = -<2 nu S_ij S_ij>: the loss of kinetic energy, at every coefficient.
    flow = turbulent_flow(SQUARE)
    slow = Slow(SQUARE)
    vorticity = np.fft.irfft2(flow)
    lost = (0.17 * SQUARE.spacing) ** 2 * np.mean(slow.strain_rate(vorticity) ** 3)
    tendency = SQUARE.to_physical(subgrid_term(Smagorinsky(), SQUARE, flow))
    streamfunction = SQUARE.to_physical(SQUARE.inverse_laplacian(flow))
    np.testing.assert_allclose(jnp.mean(streamfunction * tendency), lost, rtol=1e-12)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_jansen_held_closes_its_energy_budget(fraction, x64):
    flow = turbulent_flow(SQUARE)
    streamfunction = SQUARE.to_physical(SQUARE.inverse_laplacian(flow))
    vorticity = SQUARE.to_physical(flow)

    def production(fraction):
        closure = JansenHeldBackscatter(fraction=fraction)
        tendency = SQUARE.to_physical(subgrid_term(closure, SQUARE, flow))
        return -jnp.mean(streamfunction * tendency), jnp.mean(vorticity * tendency)

    lost, enstrophy_lost = production(0.0)
    net, net_enstrophy = production(fraction)
    assert lost < 0
    np.testing.assert_allclose(net, (1 - fraction) * lost, rtol=0, atol=1e-13 * abs(lost))
    assert enstrophy_lost <= net_enstrophy < 0


@pytest.mark.parametrize("order", [2, 4])
def test_gradient_model_converges_to_the_exact_filtered_term(order, x64):
    fine, coarse = SpectralGrid(64), SpectralGrid(12)
    flow = spectral_resample(turbulent_flow(coarse), coarse, fine)

    def error(width):
        transfer = gaussian_filter(fine, width)
        filtered = fine.multiply(transfer, flow)
        exact = fine.multiply(transfer, vorticity_advection(fine, flow))
        exact = exact - vorticity_advection(fine, filtered)
        modelled = subgrid_term(GradientModel(order, width), fine, filtered)
        return np.linalg.norm(exact - modelled) / np.linalg.norm(exact)

    # The subgrid term itself is of second order, so its relative error is of order `order`.
    rate = np.log2(error(0.1) / error(0.05))
    assert abs(rate - order) < 0.05


def test_gradient_model_rejects_other_orders():
    with pytest.raises(ClosuraxError, match="`order` is 3; it may be 2 or 4"):
        GradientModel(order=3)


@pytest.mark.parametrize("closure", [Smagorinsky, Leith, DynamicSmagorinsky, DynamicLeith])
def test_unknown_average_is_refused(closure):
    with pytest.raises(ClosuraxError, match="'global'; it may be 'local' or 'domain'"):
        closure(average="global")


def test_dynamic_coefficient_recovers_the_true_one(x64):
    # A closure whose stress is 1/c times the momentum flux itself satisfies L = c M exactly.
    true = 0.03

    def flux(grid, vorticity_hat, width):
        inverse = grid.inverse_laplacian(vorticity_hat)
        u = -grid.to_physical(grid.derivative_y(inverse))
        v = grid.to_physical(grid.derivative_x(inverse))
        return jnp.stack([(u**2 - v**2) / 2, u * v]) / true

    def coefficients(identity):
        products = least_squares(identity)
        return clipped_coefficient(domain_mean(products)), clipped_coefficient(
            local_mean(SQUARE, products)
        )

    identify = eqx.filter_jit(lambda flow: germano_identity(SQUARE, flow, flux))
    identity = identify(turbulent_flow(SQUARE))
    uniform, local = coefficients(identity)
    np.testing.assert_allclose(uniform, true, rtol=1e-12)
    np.testing.assert_allclose(local, true, rtol=1e-9)
    uniform, local = coefficients(identity._replace(resolved=-identity.resolved))
    assert uniform == 0
    np.testing.assert_array_equal(local, 0)


def test_parallel_flow_has_no_dynamic_viscosity(x64):
    # u = u(y): the resolved stress is diagonal, the modelled one is not, so c = 0.
    y = GRID.y * (2 * np.pi / GRID.length_y)
    vorticity = jnp.asarray(np.broadcast_to(np.cos(y) + np.sin(3 * y), GRID.shape))
    tendency = subgrid_term(DynamicLeith(), GRID, GRID.to_spectral(vorticity))
    np.testing.assert_allclose(tendency, 0, atol=1e-12)


@each_closure
def test_single_precision_and_a_fluid_at_rest(closure):
    def mean_square(flow):
        return jnp.sum(jnp.abs(subgrid_term(closure, SQUARE, flow)) ** 2)

    flow = turbulent_flow(SQUARE).astype(jnp.complex64)
    assert subgrid_term(closure, SQUARE, flow).dtype == jnp.complex64
    rest = jnp.zeros_like(flow)
    np.testing.assert_array_equal(subgrid_term(closure, SQUARE, rest), 0)
    assert jnp.all(jnp.isfinite(jax.jit(jax.grad(mean_square))(rest)))


@pytest.mark.parametrize(
    "closure",
    [Smagorinsky, lambda c: Smagorinsky(c, "domain"), Leith, JansenHeldBackscatter],
)
def test_gradient_with_respect_to_the_coefficient(closure, x64):
    flow = turbulent_flow(SQUARE)

    @jax.jit
    def production(coefficient):
        tendency = closure(coefficient).vorticity_tendency(SQUARE, flow)
        return jnp.mean(SQUARE.to_physical(tendency) * SQUARE.to_physical(flow))

    at, h = jnp.asarray(0.15), 1e-5
    difference = (production(at + h) - production(at - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(production)(at), difference, rtol=1e-7)
    assert difference < 0


@eqx.filter_jit
def midpoint_steps(model, state, dt=0.02):
    def tendency(state):
        subgrid, _ = model.call_schemes(0.0, state, model.initial_memory(state))
        return model.dynamics_tendency(0.0, state, None) + subgrid

    def step(_, state):
        return state + dt * tendency(state + dt / 2 * tendency(state))

    return lax.fori_loop(0, 10, step, state)


@each_closure
def test_runs_inside_a_model_and_removes_enstrophy(closure):
    model = BarotropicVorticity(SQUARE, viscosity=0.0, drag=0.0, forcing=None)
    start = model.initial_state(SQUARE.to_physical(turbulent_flow(SQUARE)))
    end = midpoint_steps(model.replace(subgrid=closure), start)
    assert end.dtype == start.dtype == jnp.float32
    change = float(jnp.mean(model.vorticity(end) ** 2) / jnp.mean(model.vorticity(start) ** 2)) - 1
    if isinstance(closure, NoClosure):
        assert abs(change) < 1e-5
    elif isinstance(closure, GradientModel):
        assert 1e-4 < abs(change) < 0.1
    else:
        assert -0.1 < change < -1e-4


def test_time_average_is_steadier_and_needs_its_memory(x64):
    flows = [turbulent_flow(SQUARE, seed) for seed in (0, 1)]
    inputs = [{"grid": SQUARE, "spectral_vorticity": flow} for flow in flows]
    closure = TimeAveragedDynamicLeith(calls=4.0)
    memory = closure.initial_carry(inputs[0])
    first, memory = closure(inputs[0], memory)
    instantaneous = DynamicLeith().tendencies(inputs[0])
    np.testing.assert_allclose(
        first["spectral_vorticity_tendency"],
        instantaneous["spectral_vorticity_tendency"],
        rtol=1e-12,
    )
    _, memory = closure(inputs[1], memory)
    start, now = (closure.initial_carry(i) for i in inputs)
    np.testing.assert_allclose(memory, 0.75 * start + 0.25 * now, rtol=1e-12)


def test_memory_travels_through_a_run(x64):
    # Averaged over ever, the coefficient stays what it was in the initial state.
    model = BarotropicVorticity(SQUARE)
    flow = turbulent_flow(SQUARE)
    state = model.initial_state(SQUARE.to_physical(flow))
    remembering = TimeAveragedDynamicLeith(calls=1e12)
    memory = remembering.initial_carry({"grid": SQUARE, "spectral_vorticity": flow})
    static = Leith(float(clipped_coefficient(memory)) ** (1 / 3))

    def final(closure):
        run = model.replace(subgrid=closure).run(
            state, 0.2, save_every=0.1, dt=0.02, solver=ETDRK2(), progress=False,
            schemes_called="every step",
        )  # fmt: skip
        return run.vorticity.isel(time=-1).values

    expected = final(static)
    np.testing.assert_allclose(final(remembering), expected, atol=1e-9)
    assert np.abs(final(DynamicLeith()) - expected).max() > 1e-6
    with pytest.raises(ClosuraxError, match="memory"):
        model.replace(subgrid=remembering).run(
            state, 0.2, save_every=0.1, dt=0.02, schemes_called="every stage"
        )


def test_averaging_over_less_than_one_call_is_refused():
    with pytest.raises(ClosuraxError, match="`calls` is 0.5"):
        TimeAveragedDynamicLeith(calls=0.5)


def test_closure_in_a_slot_that_does_not_exist_is_refused():
    with pytest.raises(SchemeMismatchError, match="no slot"):
        BarotropicVorticity(GRID).replace(convection=Leith())


@each_closure
def test_coefficients_are_the_only_leaves(closure):
    leaves = jax.tree_util.tree_leaves(eqx.filter(closure, lambda leaf: isinstance(leaf, float)))
    names = ("coefficient", "fraction")
    assert leaves == [getattr(closure, name) for name in names if name in vars(closure)]

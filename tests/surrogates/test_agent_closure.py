"""Agents that choose eddy viscosities: spline, invariants, forms, and the scheme they make."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from closurax import surrogates
from closurax.datasets.normalisers import Standardiser
from closurax.physics.closures import JansenHeldBackscatter, Leith, Smagorinsky
from closurax.physics.diagnostics import enstrophy_spectrum, one_dimensional_enstrophy_spectrum
from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, random_vorticity
from closurax.surrogates.closures import (
    AgentClosure,
    AgentLattice,
    BackscatterForm,
    ConvolutionalPolicy,
    HeldCoefficients,
    LeithForm,
    LocalInvariants,
    SmagorinskyForm,
    mean_resolved_spectrum,
    resolved_spectrum,
    resolved_wavenumbers,
)
from closurax.surrogates.closures.periodic_spline import periodic_spline_matrix
from closurax.surrogates.reinforcement import GaussianPolicy

GRID = SpectralGrid(24)
LATTICE = AgentLattice((4, 4))


@pytest.fixture(scope="module")
def vorticity():
    return random_vorticity(GRID, jax.random.key(7), peak_wavenumber=3.0)


@pytest.fixture(scope="module")
def flow(vorticity):
    return GRID.truncate(GRID.to_spectral(vorticity))


@eqx.filter_jit
def tendency_of(closure, grid, flow):
    return closure.vorticity_tendency(grid, flow)


@eqx.filter_jit
def observe(observation, grid, flow, lattice):
    return observation(grid, flow, lattice)


def assert_close(actual, expected, tolerance=2e-6):
    scale = float(np.max(np.abs(np.asarray(expected))))
    np.testing.assert_allclose(actual, expected, atol=tolerance * scale, rtol=0)


class Constant(eqx.Module):
    action: jax.Array

    def __call__(self, observation):
        return self.action


class Linear(eqx.Module):
    weight: jax.Array
    bias: jax.Array

    def __call__(self, observation):
        return jnp.tanh(self.weight @ observation + self.bias)


def linear(actions, observations, size=0.1):
    weight = np.random.default_rng(0).normal(size=(actions, observations))
    return Linear(jnp.asarray(size * weight, jnp.float32), jnp.zeros(actions))


# The spline and the lattice.


@pytest.mark.parametrize("nodes, points", [(4, 24), (5, 30), (3, 12), (1, 6), (2, 6), (6, 6)])
def test_spline_keeps_constants_and_nodes(nodes, points):
    matrix = periodic_spline_matrix(nodes, points)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-14)
    np.testing.assert_allclose(matrix[:: points // nodes], np.eye(nodes), atol=1e-14)


@pytest.mark.parametrize("nodes", [4, 7])
def test_spline_is_that_of_scipy(nodes):
    values = np.random.default_rng(nodes).normal(size=nodes)
    position = np.arange(8 * nodes) / 8
    expected = map_coordinates(values, [position], order=2, mode="grid-wrap")
    ours = periodic_spline_matrix(nodes, 8 * nodes) @ values
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_interpolation_commutes_with_shifts_by_the_lattice(getkey):
    values = jax.random.normal(getkey(), (2, 4, 4))
    interpolate = jax.jit(lambda values: LATTICE.interpolate(GRID, values))
    field, moved = interpolate(values), interpolate(jnp.roll(values, (1, -1), (1, 2)))
    np.testing.assert_allclose(moved, jnp.roll(field, (6, -6), (1, 2)), atol=1e-6)
    np.testing.assert_allclose(LATTICE.sample(GRID, field), values, atol=1e-6)
    axes = periodic_spline_matrix(4, 24)
    np.testing.assert_allclose(field[0], axes @ np.asarray(values[0]) @ axes.T, atol=1e-6)


def test_lattice_of_all_points_changes_nothing(getkey):
    values = jax.random.normal(getkey(), (1, *GRID.shape))
    for lattice in (AgentLattice(None), AgentLattice(GRID.shape)):
        assert (lattice.interpolate(GRID, values) == values).all()
        assert (lattice.sample(GRID, values) == values).all()


def test_lattice_refuses_what_does_not_fit():
    with pytest.raises(GridMismatchError, match="does not divide"):
        AgentLattice((5, 4)).shape_on(GRID)
    with pytest.raises(ClosuraxError, match="positive"):
        AgentLattice((0, 4))


# What the agents see.


def test_spectrum_is_that_of_the_diagnostics(flow):
    last = (GRID.nx - 1) // 3

    @jax.jit
    def spectra(flow):
        field = GRID.to_physical(flow)
        axes = one_dimensional_enstrophy_spectrum(field, GRID)[: last + 1]
        shells = enstrophy_spectrum(field, GRID)[1 : last + 1]
        mean = mean_resolved_spectrum(GRID, jnp.stack([field, 2 * field]))
        ours = resolved_spectrum(GRID, flow), resolved_spectrum(GRID, flow, "shells"), mean
        return ours, (axes, shells, 2.5 * axes)

    for ours, expected in zip(*spectra(flow), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-7)
    assert resolved_wavenumbers(GRID).tolist() == list(range(8))
    assert resolved_wavenumbers(GRID, "shells").tolist() == list(range(1, 8))
    with pytest.raises(GridMismatchError, match="square"):
        resolved_spectrum(SpectralGrid(8, 12), jnp.zeros((8, 7), jnp.complex64))
    with pytest.raises(ClosuraxError, match="one of"):
        resolved_wavenumbers(GRID, "radial")


def velocity_derivatives(x, y):
    """Of psi = a sin(x + 2 y) + b cos(3 x - y), in the order of u, v and of their derivatives."""
    phases = [(1, 2, x + 2 * y, 0.7, 0.0), (3, -1, 3 * x - y, 0.4, np.pi / 2)]

    def psi(i, j):
        """The derivative of order i in x and j in y."""
        return sum(
            a * k**i * m**j * np.sin(phase + shift + (i + j) * np.pi / 2)
            for k, m, phase, a, shift in phases
        )

    u, v = (lambda i, j: -psi(i, j + 1)), (lambda i, j: psi(i + 1, j))
    return u, v


def test_published_invariants_are_those_of_the_matrices():
    x, y = GRID.x[:, None], GRID.y[None, :]
    u, v = velocity_derivatives(x, y)
    analytic = np.asarray(v(1, 0) - u(0, 1), np.float32)
    seen = observe(
        LocalInvariants(spectrum=None), GRID, GRID.to_spectral(analytic), AgentLattice((4, 2))
    )
    gradient = np.array([[u(1, 0), u(0, 1)], [v(1, 0), v(0, 1)]])
    second = np.array([[u(2, 0), v(2, 0)], [u(0, 2), v(0, 2)]])
    for i, j in np.ndindex(4, 2):
        expected = []
        for matrices in (gradient, second):
            matrix = matrices[:, :, 6 * i, 12 * j]
            s, r = (matrix + matrix.T) / 2, (matrix - matrix.T) / 2
            expected += [np.trace(s), np.trace(s @ s), np.trace(r @ r)]
        np.testing.assert_allclose(seen[i, j], expected, rtol=1e-4, atol=2e-4)


def test_isotropic_invariants_are_those_of_the_tensors():
    x, y = GRID.x[:, None], GRID.y[None, :]
    u, v = velocity_derivatives(x, y)
    vorticity = v(1, 0) - u(0, 1)
    flow = GRID.to_spectral(np.asarray(vorticity, np.float32))
    seen = observe(LocalInvariants("isotropic", spectrum=None), GRID, flow, AgentLattice(None))
    strain = np.array([[u(1, 0), (u(0, 1) + v(1, 0)) / 2], [(u(0, 1) + v(1, 0)) / 2, v(0, 1)]])
    gradient = np.array([v(2, 0) - u(1, 1), v(1, 1) - u(0, 2)])
    turned = np.array([-gradient[1], gradient[0]])
    second = [w(i, 2 - i) for w in (u, v) for i in (0, 1, 1, 2)]
    expected = [
        2 * np.sum(strain**2, (0, 1)),
        vorticity**2,
        np.sum(gradient**2, 0),
        np.sum(np.square(second), 0),
        np.einsum("ixy,ijxy,jxy->xy", gradient, strain, gradient),
        vorticity * np.einsum("ixy,ijxy,jxy->xy", gradient, strain, turned),
    ]
    for index, values in enumerate(expected):
        assert_close(seen[..., index], values, 1e-5)


def rotated(vorticity):
    """The flow turned by 90 degrees around the origin."""
    i = np.arange(GRID.nx)
    return vorticity[i[None, :], -i[:, None] % GRID.nx]


def reflected(vorticity):
    return -vorticity[-np.arange(GRID.nx) % GRID.nx]


def test_rotations_and_reflections_turn_the_isotropic_invariants_with_the_flow(vorticity):
    everywhere = AgentLattice(None)

    def seen(kind, field):
        flow = GRID.to_spectral(np.asarray(field))
        return np.moveaxis(
            np.asarray(observe(LocalInvariants(kind), GRID, flow, everywhere)), -1, 0
        )

    for move, sign in ((rotated, 1), (reflected, -1)):
        before = np.stack([sign * move(field) for field in seen("isotropic", vorticity)])
        after = seen("isotropic", move(vorticity))
        for first, second in zip(before[:6], after[:6], strict=True):
            assert_close(second, first, 2e-5)
        np.testing.assert_allclose(after[6:12], seen("isotropic", vorticity)[6:12], atol=1e-3)

    # Of the published ones only the first three, and a difference of the last two.
    before = [rotated(field) for field in seen("published", vorticity)]
    after = seen("published", rotated(vorticity))
    for index in (1, 2):
        assert_close(after[index], before[index], 2e-5)
    assert_close(after[4] - after[5], before[4] - before[5], 2e-5)
    assert np.abs(after[4] - before[4]).max() > 0.1 * np.abs(before[4]).max()


@pytest.mark.parametrize("kind", ["published", "isotropic"])
def test_scale_free_observations_do_not_know_the_speed(flow, kind):
    observation = LocalInvariants(kind=kind, scale_free=True)
    slow, fast = (observe(observation, GRID, factor * flow, LATTICE) for factor in (1.0, 3.0))
    np.testing.assert_allclose(fast, slow, rtol=1e-3, atol=1e-5)
    assert slow.shape == (4, 4, observation.size(GRID)) and observation.size(GRID) == 14
    plain = observe(LocalInvariants(kind), GRID, flow, LATTICE)
    assert np.abs(np.asarray(plain - slow)).max() > 1


@pytest.mark.parametrize("kind", ["published", "isotropic"])
def test_observations_of_a_flow_at_rest_and_their_derivatives_are_finite(kind):
    observation = LocalInvariants(kind=kind, scale_free=True)

    @jax.jit
    @jax.value_and_grad
    def total(parts):
        return jnp.sum(observation(GRID, jax.lax.complex(*parts), LATTICE))

    value, slope = total(jnp.zeros((2, *GRID.spectral_shape)))
    assert np.isfinite(value) and np.isfinite(slope).all()


def test_observation_refuses_unknown_kinds():
    with pytest.raises(ClosuraxError, match="kind"):
        LocalInvariants(kind="all")
    with pytest.raises(ClosuraxError, match="spectrum"):
        LocalInvariants(spectrum="radial")


# The forms.


def uniform(form, *coefficients):
    fields = jnp.broadcast_to(jnp.array(coefficients)[:, None, None], (form.channels, *GRID.shape))
    return HeldCoefficients(form, fields)


@pytest.mark.parametrize("average", ["domain", "local"])
def test_uniform_coefficients_are_the_physical_closures(flow, average):
    leith = tendency_of(Leith(0.3, average=average), GRID, flow)
    assert_close(tendency_of(uniform(LeithForm(average=average), 0.3**3), GRID, flow), leith)
    smagorinsky = tendency_of(Smagorinsky(0.2, average=average), GRID, flow)
    form = SmagorinskyForm(average=average)
    assert_close(tendency_of(uniform(form, 0.2**2), GRID, flow), smagorinsky)
    assert_close(tendency_of(uniform(form, -(0.2**2)), GRID, flow), -smagorinsky)


def test_backscatter_form_is_biharmonic_dissipation_and_smagorinsky(flow):
    form = BackscatterForm()
    dissipation = tendency_of(JansenHeldBackscatter(0.1, fraction=0.0), GRID, flow)
    assert_close(tendency_of(uniform(form, 0.1**2, 0.0), GRID, flow), dissipation, 1e-5)
    viscosity = tendency_of(Smagorinsky(0.2), GRID, flow)
    assert_close(tendency_of(uniform(form, 0.0, 0.2**2), GRID, flow), viscosity, 1e-5)


@pytest.mark.parametrize(
    "form",
    [LeithForm(average="local"), SmagorinskyForm(), BackscatterForm()],
    ids=lambda form: type(form).__name__,
)
def test_local_coefficients_keep_vorticity_and_momentum(form):
    """All of it happens in a patch, where the first moments of the tendency are the force."""
    grid = SpectralGrid(64)
    x, y = grid.x[:, None] - np.pi, grid.y[None, :] - np.pi
    # Neither strain nor gradient vanishes in the patch, where |S| and |grad w| would have kinks.
    vorticity = np.sin(x + 3.25) + 0.81 * np.sin(y + 0.18) + 0.53 * np.sin(x + y + 4.9)
    with jax.enable_x64(True):
        patch = np.exp(-4 * (x**2 + y**2))
        coefficients = jnp.asarray(np.stack([patch, -0.5 * patch])[: form.channels])
        closure = HeldCoefficients(form, coefficients)
        tendency_hat = tendency_of(closure, grid, jnp.fft.rfft2(jnp.asarray(vorticity)))
    tendency = np.fft.irfft2(np.asarray(tendency_hat))
    size = np.abs(tendency).mean()
    assert size > 0
    assert abs(np.mean(tendency)) < 1e-12 * size
    for weight in (x, y):
        assert abs(np.mean(weight * tendency)) < 1e-4 * size


def test_actions_are_mapped_to_the_bounds():
    form = BackscatterForm(lower=(0.0, -0.2), upper=(0.1, 0.4))
    ends = form.coefficients(jnp.array([[-1.0, 1.0], [-1.0, 1.0]]))
    np.testing.assert_allclose(ends, [[0.0, 0.1], [-0.2, 0.4]], atol=1e-7)
    assert LeithForm().bounds == ((-0.125,), (0.125,))


def test_forms_refuse_bounds_and_averages():
    with pytest.raises(ClosuraxError, match="below"):
        LeithForm(lower=0.2, upper=0.1)
    with pytest.raises(ClosuraxError, match="average"):
        SmagorinskyForm(average="global")
    with pytest.raises(GridMismatchError, match="coefficients"):
        closure = HeldCoefficients(LeithForm(), jnp.zeros((1, 8, 8)))
        closure.vorticity_tendency(GRID, jnp.zeros(GRID.spectral_shape, jnp.complex64))


# The scheme.


def test_agents_that_agree_are_a_static_closure(flow):
    form = LeithForm(lower=0.0, upper=0.04, average="local")
    closure = AgentClosure(Constant(jnp.array([0.35])), form=form)
    static = Leith(0.027 ** (1 / 3))
    tendency = tendency_of(closure, GRID, flow)
    assert_close(tendency, tendency_of(static, GRID, flow), 3e-6)


def test_agents_act_on_what_they_see(flow):
    """The whole chain, agent by agent."""
    closure = AgentClosure(linear(2, 14), BackscatterForm(), LocalInvariants(scale_free=True))
    seen = observe(closure.observation, GRID, flow, LATTICE)
    act = jax.jit(lambda observation: closure.form.coefficients(closure.policy(observation)))
    values = np.zeros((2, 4, 4), np.float32)
    for i, j in np.ndindex(4, 4):
        values[:, i, j] = act(seen[i, j])
    assert values.std(axis=(1, 2)).min() > 3e-4
    axes = periodic_spline_matrix(4, GRID.nx)
    coefficients = jax.jit(lambda flow: closure.coefficients(GRID, flow))(flow)
    np.testing.assert_allclose(coefficients, axes @ values @ axes.T, atol=1e-6)


def convolutional(kernel_size, key, lattice=AgentLattice(None)):
    normaliser = Standardiser(jnp.full(6, 0.1), jnp.full(6, 2.0))
    policy = ConvolutionalPolicy(
        6, 1, width=4, depth=2, kernel_size=kernel_size, normaliser=normaliser, key=key
    )
    last = lambda policy: policy.layers[-1].kernel  # noqa: E731
    policy = eqx.tree_at(last, policy, 100 * last(policy))
    return AgentClosure(policy, LeithForm(), LocalInvariants(spectrum=None), lattice)


def test_one_network_at_every_point_is_a_convolution_with_one_point(flow, getkey):
    closure = convolutional(1, getkey())

    def network(observation):
        hidden = closure.policy.normaliser.normalise(observation)
        for layer in closure.policy.layers:
            hidden = jnp.tanh(hidden @ layer.kernel[0, 0] + layer.bias)
        return hidden

    pointwise = eqx.tree_at(lambda closure: closure.policy, closure, network)
    act = eqx.filter_jit(lambda closure: closure.actions(GRID, flow))
    expected = act(pointwise)
    np.testing.assert_allclose(act(closure), expected, atol=1e-5)
    assert float(jnp.std(expected)) > 0.01


def test_agents_with_neighbours_commute_with_shifts_by_the_lattice(flow, vorticity, getkey):
    closure = convolutional(3, getkey(), LATTICE)
    moved = GRID.truncate(GRID.to_spectral(jnp.roll(vorticity, (6, -12), (0, 1))))
    before = GRID.to_physical(tendency_of(closure, GRID, flow))
    after = GRID.to_physical(tendency_of(closure, GRID, moved))
    assert_close(after, jnp.roll(before, (6, -12), (0, 1)), 2e-5)


def test_convolutional_policy_refuses_sizes_that_do_not_fit(getkey):
    with pytest.raises(ClosuraxError, match="depth"):
        ConvolutionalPolicy(6, 1, depth=0, key=getkey())
    with pytest.raises(ClosuraxError, match="normaliser"):
        ConvolutionalPolicy(6, 1, normaliser=Standardiser(jnp.zeros(2), jnp.ones(2)), key=getkey())


def test_it_acts_in_the_slot_of_a_model_and_has_a_gradient(vorticity):
    closure = AgentClosure(linear(1, 14), LeithForm(lower=0.0, upper=0.1))
    model = BarotropicVorticity(GRID)
    state = model.initial_state(vorticity)

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def enstrophy_gain(closure):
        coupled = model.replace(subgrid=closure)
        tendency, _ = coupled.call_schemes(0.0, state, coupled.initial_memory(state))
        return jnp.sum(jnp.asarray(GRID.parseval_weight, jnp.float32) * (tendency * state).sum(0))

    value, gradient = enstrophy_gain(closure)
    assert float(value) < 0
    leaves = jax.tree.leaves(gradient)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
    # All agents dissipate more if the bias is larger.
    assert float(gradient.policy.bias[0]) < 0


def test_a_single_precision_policy_in_a_double_precision_flow(vorticity, getkey):
    closure = convolutional(1, getkey())
    single = tendency_of(closure, GRID, GRID.truncate(GRID.to_spectral(vorticity)))
    with jax.enable_x64(True):
        field = jnp.asarray(np.asarray(vorticity), jnp.float64)
        double = tendency_of(closure, GRID, GRID.truncate(GRID.to_spectral(field)))
        assert double.dtype == jnp.complex128
    assert_close(single, double, 1e-4)


def test_it_comes_back_from_a_file(tmp_path, getkey):
    trained = GaussianPolicy.initial(14, 2, width=4, key=getkey())
    closures = [
        AgentClosure(trained, BackscatterForm(lower=(0.0, -0.1)), lattice=AgentLattice((2, 4))),
        convolutional(3, getkey()),
        HeldCoefficients(SmagorinskyForm(), jax.random.normal(getkey(), (1, *GRID.shape))),
    ]
    for closure in closures:
        surrogates.save(tmp_path / "closure.eqx", closure)
        again = surrogates.load(tmp_path / "closure.eqx")
        assert eqx.tree_equal(again, closure)

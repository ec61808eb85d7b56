"""The turbulence that agents learn in, against plain runs of its model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError, GridMismatchError
from closurax.physics.solvers import ETDRK2
from closurax.physics.spectral import SpectralGrid, from_real_view
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing, random_vorticity
from closurax.surrogates.closures import (
    AgentLattice,
    BackscatterForm,
    HeldCoefficients,
    LeithForm,
    LocalInvariants,
    mean_resolved_spectrum,
    resolved_spectrum,
)
from closurax.surrogates.reinforcement import TurbulenceEnvironment
from closurax.surrogates.reinforcement.flow_symmetries import flow_symmetries

GRID = SpectralGrid(16)
MODEL = BarotropicVorticity(GRID, forcing=CosineForcing(2))
SETTINGS = {"dt": 0.01, "steps_per_action": 3, "lattice": AgentLattice((2, 2))}
REFERENCE = np.linspace(2.0, 1.0, 6)


@pytest.fixture(scope="module")
def initial():
    """Fields that the grid resolves, with all of its wavenumbers."""
    fields = [random_vorticity(GRID, jr.key(i), peak_wavenumber=2.0) for i in range(2)]
    return GRID.to_physical(GRID.truncate(GRID.to_spectral(jnp.stack(fields))))


@pytest.fixture(scope="module")
def environment(initial):
    return TurbulenceEnvironment(
        MODEL, initial, reference=REFERENCE, averaging_time=0.5, **SETTINGS
    )


@pytest.fixture(scope="module")
def fragile(initial):
    """Agents that can make the flow overflow within one step, and never an average."""
    return TurbulenceEnvironment(
        MODEL,
        initial,
        form=LeithForm(lower=-1e25, upper=1e25, average="local"),
        reward="published",
        spectrum="shells",
        averaging_time=0.0,
        **SETTINGS,
    )


@eqx.filter_jit
def reset(environment, key):
    return environment.reset(key)


@eqx.filter_jit
def observe(environment, state):
    return environment.observe(state)


@eqx.filter_jit
def step(environment, state, action):
    return environment.step(state, action, jr.key(0))


def some_action(environment, seed=0, size=0.5):
    shape = (environment.agents, environment.action_size)
    return jr.uniform(jr.key(seed), shape, minval=-size, maxval=size)


# Symmetries.


@pytest.mark.parametrize(
    "model, count",
    [
        (MODEL, 8 * 2 * 2),
        (BarotropicVorticity(GRID, forcing=CosineForcing(2), beta=3.0), 2 * 2 * 2),
        (BarotropicVorticity(GRID, forcing=CosineForcing(3)), 8),
        (BarotropicVorticity(GRID, forcing=None), 8 * 16 * 16),
        (BarotropicVorticity(SpectralGrid(16, 24), forcing=CosineForcing(2)), 4 * 2 * 2),
    ],
    ids=["forced", "beta", "incommensurate", "free", "rectangle"],
)
def test_number_of_symmetries(model, count):
    symmetries = flow_symmetries(model)
    matrices, shifts = np.asarray(symmetries.matrix), np.asarray(symmetries.shift)
    assert symmetries.count == count
    assert len(np.unique(np.hstack([matrices.reshape(-1, 4), shifts]), axis=0)) == count
    assert (matrices[0] == np.eye(2)).all() and (shifts[0] == 0).all()


@pytest.mark.parametrize("beta", [0.0, 3.0])
def test_copies_of_a_flow_have_the_copied_tendency(beta):
    model = BarotropicVorticity(GRID, forcing=CosineForcing(2), beta=beta)
    symmetries = flow_symmetries(model)
    vorticity = random_vorticity(GRID, jr.key(3), peak_wavenumber=2.0)

    @jax.jit
    @jax.vmap
    def tendencies(symmetry):
        def tendency(field):
            return model.vorticity(model.tendency(0.0, model.initial_state(field)))

        copy = symmetries.apply(vorticity, symmetry)
        return tendency(copy), symmetries.apply(tendency(vorticity), symmetry)

    of_copies, copied = tendencies(jnp.arange(symmetries.count))
    np.testing.assert_allclose(of_copies, copied, atol=1e-3)
    assert float(jnp.std(copied)) > 1


def test_episodes_start_from_copies_of_the_initial_states(initial, environment):
    states = jax.jit(jax.vmap(environment.reset))(jr.split(jr.key(1), 64))
    fields = np.fft.irfft2(np.asarray(from_real_view(states.flow.swapaxes(0, 1))))
    symmetries = environment.symmetries
    i, j = np.indices(GRID.shape)
    copies = []
    for matrix, shift in zip(
        np.asarray(symmetries.matrix), np.asarray(symmetries.shift), strict=True
    ):
        rows, columns = np.einsum("ab,bij->aij", matrix, [i, j]) + shift[:, None, None]
        sign = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
        copies.extend(sign * np.asarray(initial)[:, rows % 16, columns % 16])
    distance = np.abs(fields[:, None] - np.stack(copies)[None]).max((2, 3))
    assert distance.min(1).max() < 1e-4
    assert len(set(distance.argmin(1).tolist())) > 25
    alone = TurbulenceEnvironment(MODEL, initial, use_symmetries=False, **SETTINGS)
    assert alone.symmetries.count == 1


# Steps.


def test_step_is_a_run_with_the_coefficients_of_the_action(environment):
    state, action = reset(environment, jr.key(2)), some_action(environment)
    result = step(environment, state, action)
    coefficients = environment.coefficients(action)
    model = MODEL.replace(subgrid=HeldCoefficients(environment.form, coefficients))

    @jax.jit
    def run(flow):
        return model.trajectory(
            flow, 0.03, save_every=0.03, dt=0.01, solver=ETDRK2(), schemes_called="every step"
        )[0][-1]

    flow = run(state.flow)
    np.testing.assert_allclose(result.state.flow, flow, atol=1e-4)
    assert float(jnp.max(jnp.abs(flow - state.flow))) > 0.1
    assert not result.terminated


def test_closure_does_what_the_agents_do(initial):
    environment = TurbulenceEnvironment(
        MODEL,
        initial,
        form=BackscatterForm(),
        observation=LocalInvariants(scale_free=True),
        lattice=AgentLattice((4, 2)),
    )
    weights = np.random.default_rng(0).normal(size=(2, environment.observation_size))
    weights = jnp.asarray(0.1 * weights, jnp.float32)

    def policy(observation):
        return jnp.tanh(weights @ observation)

    @eqx.filter_jit
    def both(state):
        actions = jax.vmap(policy)(environment.observe(state))
        closure = environment.closure(policy)
        return (
            environment.coefficients(actions),
            closure.coefficients(GRID, from_real_view(state.flow)),
        )

    ours, deployed = both(reset(environment, jr.key(5)))
    np.testing.assert_allclose(ours, deployed, atol=1e-7)
    assert float(jnp.std(ours)) > 1e-3


def test_rewards_compare_the_running_mean_of_the_spectrum(environment):
    state = reset(environment, jr.key(6))
    start = resolved_spectrum(GRID, from_real_view(state.flow))
    np.testing.assert_allclose(state.spectrum, start, rtol=1e-4)
    result = step(environment, state, some_action(environment))
    now = np.asarray(resolved_spectrum(GRID, from_real_view(result.state.flow)), float)
    mean = start + (1 - np.exp(-0.03 / 0.5)) * (now - np.asarray(start, float))
    np.testing.assert_allclose(result.state.spectrum, mean, rtol=1e-4)
    expected = -np.mean(np.log(mean[1:] / REFERENCE[1:]) ** 2)
    np.testing.assert_allclose(result.reward, expected, rtol=1e-3)


def test_published_reward_and_the_penalty_of_a_divergence(initial, fragile):
    state = reset(fragile, jr.key(8))
    calm = step(fragile, state, jnp.zeros((fragile.agents, 1)))
    now = np.asarray(resolved_spectrum(GRID, from_real_view(calm.state.flow), "shells"), float)
    np.testing.assert_allclose(calm.state.spectrum, now, rtol=1e-4)
    reference = mean_resolved_spectrum(GRID, initial, "shells")
    expected = 1 / np.sum((np.arange(1, 6) * (now - np.asarray(reference, float))) ** 2)
    np.testing.assert_allclose(calm.reward, expected, rtol=1e-3)
    assert not calm.terminated
    # The usual limit, and one that lets the flow overflow within a step.
    limits = fragile.enstrophy_limit, jnp.asarray(1e37)
    for limit in limits:
        environment = eqx.tree_at(lambda env: env.enstrophy_limit, fragile, limit)
        result = step(environment, calm.state, -jnp.ones((fragile.agents, 1)))
        assert result.terminated and float(result.reward) == -1e4
        # It fails in the first step already.
        assert (result.state.flow == calm.state.flow).all()
        assert bool(jnp.isfinite(result.state.spectrum).all())


def test_derivatives_of_steps_are_finite_even_in_divergence(initial):
    environment = TurbulenceEnvironment(
        MODEL, initial, form=LeithForm(lower=-1e4, upper=1e4), penalty=-7.0, **SETTINGS
    )
    state = reset(environment, jr.key(10))

    def rewards(flow, amount):
        """Of a diverging and of a calm flow in one batch."""
        actions = jnp.stack([-jnp.ones((4, 1)), amount * 1e-6 * jnp.ones((4, 1))])
        results = jax.vmap(environment.step, (None, 0, None))(
            state._replace(flow=flow), actions, jr.key(0)
        )
        return jnp.sum(results.reward), results

    both = jax.jit(jax.value_and_grad(rewards, (0, 1), has_aux=True))
    (value, results), slopes = both(state.flow, 5.0)
    assert results.terminated.tolist() == [True, False]
    assert float(results.reward[0]) == -7
    assert all(bool(jnp.isfinite(slope).all()) for slope in slopes)
    difference = (both(state.flow, 6.0)[0][0] - both(state.flow, 4.0)[0][0]) / 2
    np.testing.assert_allclose(slopes[1], difference, rtol=0.05)
    assert float(jnp.max(jnp.abs(slopes[0]))) > 0


def test_a_batch_is_many_environments(environment):
    keys = jr.split(jr.key(9), 3)
    actions = jnp.stack([some_action(environment, seed) for seed in range(3)])

    @eqx.filter_jit
    @jax.vmap
    def batch(key, action):
        state = environment.reset(key)
        return environment.observe(state), environment.step(state, action, key)

    seen, results = batch(keys, actions)
    for i in range(3):
        state = reset(environment, keys[i])
        result = step(environment, state, actions[i])
        np.testing.assert_allclose(results.state.flow[i], result.state.flow, atol=1e-4)
        np.testing.assert_allclose(results.reward[i], result.reward, rtol=1e-4)
        np.testing.assert_allclose(seen[i], observe(environment, state), rtol=1e-3, atol=1e-3)
    assert seen.shape == (3, environment.agents, environment.observation_size)
    assert (environment.agents, environment.observation_size) == (4, 12)


def test_refuses_what_does_not_fit(initial):
    cases = [
        ({"reward": "linear"}, ClosuraxError, "reward"),
        ({"dt": 0.0}, ClosuraxError, "dt"),
        ({"averaging_time": -1.0}, ClosuraxError, "averaging_time"),
        ({"reference": np.ones(5)}, ClosuraxError, "shape"),
        ({"reference": np.zeros(6)}, ClosuraxError, "positive"),
        ({"spectrum": "radial"}, ClosuraxError, "spectrum"),
        ({"lattice": AgentLattice((3, 3))}, GridMismatchError, "divide"),
    ]
    for settings, error, said in cases:
        with pytest.raises(error, match=said):
            TurbulenceEnvironment(MODEL, initial, **settings)
    with pytest.raises(ClosuraxError, match="at least one"):
        TurbulenceEnvironment(MODEL, initial[:0])
    with pytest.raises(GridMismatchError, match="initial"):
        TurbulenceEnvironment(MODEL, initial[:, :8])

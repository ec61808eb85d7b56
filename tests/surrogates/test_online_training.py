"""Training through the simulation: twins of known constants, resumed runs, blow-ups."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from closurax.physics.closures import Leith
from closurax.physics.diagnostics import enstrophy_spectrum
from closurax.physics.errors import ClosuraxError, DataError, SurrogateFileError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing, random_vorticity
from closurax.surrogates.training import SpectrumLoss, train_online

GRID = SpectralGrid(24)
# Strong drag, so that the flow soon forgets how it started.
MODEL = BarotropicVorticity(GRID, drag=0.5, forcing=CosineForcing(2))
TRUTH = 0.3
# One object for all trainings, so that they share one compilation.
OPTIMISER = optax.adam(0.05)


@pytest.fixture(scope="module")
def snapshots():
    """Of a flow whose unknown closure is Leith's with the constant of the truth."""
    model = MODEL.replace(subgrid=Leith(TRUTH))
    start = jnp.stack([random_vorticity(GRID, jax.random.key(i)) for i in range(4)])
    run = model.run(model.initial_state(start), 24.0, save_every=4.0, dt=0.05, progress=False)
    return run["vorticity"].values[:, 3:].reshape(-1, *GRID.shape)


def train(snapshots, start=0.2, **changes):
    settings = {
        "model": MODEL,
        "slot": "subgrid",
        "loss": SpectrumLoss.from_snapshots(snapshots, GRID),
        "windows": (0.5,),
        "iterations": 6,
        "members": 16,
        "optimiser": OPTIMISER,
        "seed": 0,
        "save_every": 0.25,
        "dt": 0.05,
        "progress": False,
        **changes,
    }
    scheme = Leith(jnp.asarray(start))
    return train_online(scheme, MODEL.initial_state(jnp.asarray(snapshots)), **settings)


def test_an_iteration_follows_the_gradient_through_the_window(snapshots):
    """The step of plain gradient descent is that of finite differences of whole runs."""
    with jax.enable_x64(True):
        snapshots = snapshots.astype(float)
        # As many members as states: each state is drawn once, in an order that the mean forgets.
        found = train(snapshots, iterations=1, optimiser=optax.sgd(1.0))
        loss = SpectrumLoss.from_snapshots(snapshots, GRID)
        states = MODEL.initial_state(jnp.asarray(snapshots))

        @jax.jit
        def objective(coefficient):
            model = MODEL.replace(subgrid=Leith(coefficient))
            run = lambda s: model.trajectory(s, 0.5, save_every=0.25, dt=0.05)[0][1:]  # noqa: E731
            return loss(jax.vmap(run)(states))

        start, step = jnp.asarray(0.2), 1e-4
        slope = (objective(start + step) - objective(start - step)) / (2 * step)
        np.testing.assert_allclose(found.scheme.coefficient, 0.2 - slope, rtol=1e-6)
        np.testing.assert_allclose(found.history["loss"], [objective(start)], rtol=1e-10)
        np.testing.assert_allclose(found.history["gradient_norm"], [abs(slope)], rtol=1e-5)


def test_the_loss_falls(snapshots):
    # Far too much viscosity, and all windows from the same states: nothing but it can matter.
    found = train(snapshots, start=0.8, iterations=12, restart=1.0)
    assert found.history["loss"][-1] < 0.5 * found.history["loss"][0]
    assert float(found.scheme.coefficient) < 0.6
    assert (found.history["finite"] == 1).all()
    assert jax.tree_util.tree_leaves(found.states)[0].shape == (16, 2, *GRID.spectral_shape)


def test_a_resumed_training_ends_with_the_same_bits(snapshots, tmp_path):
    whole = train(snapshots)
    # Six iterations with a checkpoint after four: the resumed one does the last two again.
    stopped = train(snapshots, out=tmp_path, checkpoint_every=4)
    assert (tmp_path / "last.npz").is_file()
    resumed = train(snapshots, out=tmp_path, resume=True)
    for result in (stopped, resumed):
        assert result.scheme.coefficient == whole.scheme.coefficient
        np.testing.assert_array_equal(result.states, whole.states)
    with pytest.raises(SurrogateFileError, match="another seed"):
        train(snapshots, out=tmp_path, resume=True, seed=1)


def test_a_training_that_blows_up_stops_and_says_so(snapshots):
    with pytest.raises(ClosuraxError, match="20 windows of 0.5 s in a row became non-finite"):
        train(snapshots, start=-20.0, iterations=30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iterations": 0}, "`iterations` must be at least 1"),
        ({"windows": ()}, "`windows` must be at least 1"),
        ({"restart": 1.5}, "is a probability"),
    ],
)
def test_settings_that_do_not_fit_are_refused(snapshots, changes, message):
    with pytest.raises(ClosuraxError, match=message):
        train(snapshots, **changes)


def test_the_loss_is_the_weighted_error_of_the_logarithm(snapshots):
    loss = SpectrumLoss.from_snapshots(snapshots, GRID)
    states = MODEL.initial_state(jnp.asarray(snapshots))[:, None]
    np.testing.assert_allclose(loss(states), 0, atol=1e-10)
    assert loss.weight.sum() == pytest.approx(1)
    spectra = np.asarray(enstrophy_spectrum(snapshots, GRID), float)[:, 1:8]
    error = np.log((spectra * 1.5**2).mean(0)) - np.log(spectra.mean(0))
    expected = np.sum(np.asarray(loss.weight) * error**2)
    np.testing.assert_allclose(loss(1.5 * states), expected, rtol=1e-5)


def test_snapshots_that_tell_nothing_are_refused(snapshots):
    with pytest.raises(DataError, match="at least two"):
        SpectrumLoss.from_snapshots(snapshots[:1], GRID)
    with pytest.raises(DataError, match="no enstrophy in shell 1"):
        SpectrumLoss.from_snapshots(np.zeros_like(snapshots), GRID)

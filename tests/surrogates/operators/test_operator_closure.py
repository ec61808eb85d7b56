import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import SchemeMismatchError
from closurax.physics.scheme import Quantity
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity
from closurax.surrogates import load, save
from closurax.surrogates.operators import FieldSurrogate, MgNO, OperatorClosure

GRID = SpectralGrid(16)
VORTICITY = Quantity("vorticity", "s-1")
STREAMFUNCTION = Quantity("streamfunction", "m2 s-1")
TENDENCY = Quantity("vorticity_tendency", "s-2")


def closure(inputs=(VORTICITY, STREAMFUNCTION), outputs=(TENDENCY,)):
    operator = MgNO(
        len(inputs), len(outputs), 3, 1, before=(1, 1), boundary="periodic", layout="nodes",
        key=jax.random.key(9),
    )  # fmt: skip
    mean, scale = jnp.full(len(inputs), 0.1), jnp.full(len(inputs), 3.0)
    unit = Standardiser(jnp.full(len(outputs), 0.5), jnp.full(len(outputs), 2.0))
    return OperatorClosure(
        FieldSurrogate(operator, inputs, outputs, Standardiser(mean, scale), unit)
    )


def turbulence(key):
    return BarotropicVorticity(GRID).initial_state(jax.random.normal(key, GRID.shape))


def test_zero_mean_and_the_rest_from_the_surrogate(getkey):
    scheme = closure()
    vorticity, streamfunction = jax.random.normal(getkey(), (2, *GRID.shape))
    inputs = {"vorticity": vorticity, "streamfunction": streamfunction, "grid": GRID}
    tendency = eqx.filter_jit(lambda: scheme.tendencies(inputs))()["vorticity_tendency"]
    assert abs(float(jnp.mean(tendency))) < 1e-6
    fields = jnp.stack([vorticity, streamfunction])
    difference = eqx.filter_jit(scheme.surrogate)(fields)[0] - tendency
    np.testing.assert_allclose(difference, jnp.mean(difference), atol=1e-5)
    assert float(jnp.std(tendency)) > 0.01 and abs(float(jnp.mean(difference))) > 0.01


def test_runs_in_the_model_and_changes_it(getkey):
    state = turbulence(getkey())
    model = BarotropicVorticity(GRID)
    learned = model.replace(subgrid=closure())
    options = {"save_every": 0.02, "dt": 0.01, "progress": False}
    before, after = (m.run(state, 0.04, **options)["vorticity"] for m in (model, learned))
    assert after.shape == (3, *GRID.shape) and np.isfinite(after).all()
    # For a short time the difference is what the closure returns, times that time.
    expected = learned.tendency(0.0, state) - model.tendency(0.0, state)
    expected = 0.04 * np.asarray(model.vorticity(expected))
    change = (after - before).values[-1]
    assert np.corrcoef(change.ravel(), expected.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(np.std(change), np.std(expected), rtol=0.1)
    np.testing.assert_allclose(after.mean(("x", "y")), 0, atol=1e-5)


def test_gradient_through_the_run(getkey):
    state = turbulence(getkey())

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(scheme):
        model = BarotropicVorticity(GRID).replace(subgrid=scheme)
        states, _ = model.trajectory(state, 0.02, save_every=0.02, dt=0.01)
        return jnp.mean(jax.vmap(model.vorticity)(states) ** 2)

    slope = gradient(closure()).surrogate.operator.head
    assert jnp.all(jnp.isfinite(slope)) and jnp.all(slope != 0)


def test_reads_only_what_the_surrogate_reads(getkey):
    scheme = closure((VORTICITY,))
    assert scheme.reads == (VORTICITY,) and scheme.returns == (TENDENCY,)
    model = BarotropicVorticity(GRID).replace(subgrid=scheme)
    assert np.isfinite(model.tendency(0.0, turbulence(getkey()))).all()


def test_round_trip_through_a_file(tmp_path):
    save(tmp_path / "closure", closure())
    loaded = load(tmp_path / "closure")
    assert eqx.tree_equal(loaded, closure())
    BarotropicVorticity(GRID).replace(subgrid=loaded)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"inputs": (Quantity("velocity", "m s-1"),)}, "velocity"),
        ({"inputs": (Quantity("vorticity", "day-1"),)}, "day-1"),
        ({"outputs": (Quantity("heating", "K s-1"),)}, "heating"),
        ({"outputs": (TENDENCY, Quantity("heating", "K s-1"))}, "heating"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(SchemeMismatchError, match=said):
        closure(**arguments)

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax import surrogates
from closurax.datasets import Standardiser
from closurax.physics import Quantity
from closurax.physics.errors import ClosuraxError
from closurax.surrogates.operators import FNO, ConservedMean, FieldSurrogate, ResidualStep


@eqx.filter_jit
def apply(operator, fields):
    return operator(fields)


@pytest.fixture
def fno(getkey):
    return FNO(2, 2, width=3, depth=1, modes=2, projection=4, key=getkey())


def test_it_adds_what_the_operator_returns(fno, getkey):
    fields = jax.random.normal(getkey(), (2, 8, 8))
    np.testing.assert_allclose(
        apply(ResidualStep(fno), fields), fields + apply(fno, fields), rtol=1e-5, atol=1e-6
    )


def test_an_operator_that_returns_zero_changes_nothing(fno, getkey):
    silent = jax.tree_util.tree_map(
        lambda leaf: jnp.zeros_like(leaf) if eqx.is_inexact_array(leaf) else leaf, fno
    )
    fields = jax.random.normal(getkey(), (2, 8, 8))
    assert (apply(ResidualStep(silent), fields) == fields).all()


def test_the_mean_of_each_field_is_conserved_and_nothing_else_changes(fno, getkey):
    fields = 3 + jax.random.normal(getkey(), (2, 8, 8))
    free, conserved = apply(fno, fields), apply(ConservedMean(fno), fields)
    np.testing.assert_allclose(conserved.mean((1, 2)), fields.mean((1, 2)), rtol=1e-6)
    differences = conserved - free
    assert (np.abs(differences.mean((1, 2))) > 0.1).all()
    np.testing.assert_allclose(
        differences, differences[:, :1, :1] + jnp.zeros_like(free), atol=1e-6
    )


@pytest.mark.parametrize("step", [ResidualStep, ConservedMean])
def test_another_number_of_channels_is_refused(getkey, step):
    with pytest.raises(ClosuraxError, match="FNO takes 2 channels and returns 1; make these"):
        step(FNO(2, 1, width=3, depth=1, modes=2, key=getkey()))


def test_it_travels_in_a_surrogate_file(fno, getkey, tmp_path):
    quantities = [Quantity("vorticity", "s-1"), Quantity("tracer", "1")]
    normaliser = Standardiser(mean=jnp.asarray([1.0, 2.0]), scale=jnp.asarray([3.0, 4.0]))
    surrogate = FieldSurrogate(ResidualStep(fno), quantities, quantities, normaliser, normaliser)
    surrogates.save(tmp_path / "step.eqx", surrogate)
    loaded = surrogates.load(tmp_path / "step.eqx")
    fields = jax.random.normal(getkey(), (2, 8, 8))
    assert isinstance(loaded.operator, ResidualStep)
    assert (apply(loaded, fields) == apply(surrogate, fields)).all()

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.experiments.subgrid_networks import untrained_network
from closurax.experiments.subgrid_turbulence_settings import Surrogate

POINTS = 16


@pytest.fixture(scope="module")
def train():
    fields = np.random.default_rng(0).normal(size=(3, 4, POINTS, POINTS)).astype(np.float32)
    names = ("vorticity", "streamfunction", "subgrid_tendency")
    return xr.Dataset(
        {name: (("time", "x", "y"), f) for name, f in zip(names, fields, strict=True)}
    )


@pytest.mark.parametrize("network", ["convolutional", "mgno"])
def test_networks_read_the_flow_and_commute_with_shifts_by_the_coarsest_spacing(train, network):
    surrogate = Surrogate(
        network=network,
        width=2,
        depth=2,
        kernel_size=3,
        activation="relu",
        inputs=["vorticity", "streamfunction"],
        symmetrised=False,
    )
    closure = untrained_network(surrogate, train, seed=1)
    flow = {name: jnp.asarray(train[name].values[0]) for name in surrogate.inputs}
    shifted = {name: jnp.roll(field, (4, 8), (0, 1)) for name, field in flow.items()}
    tendencies = eqx.filter_jit(closure.tendencies)
    (tendency,), (of_shifted,) = tendencies(flow).values(), tendencies(shifted).values()
    scale = float(jnp.std(tendency))
    assert scale > 0
    np.testing.assert_allclose(
        of_shifted, jnp.roll(tendency, (4, 8), (0, 1)), rtol=0, atol=1e-5 * scale
    )

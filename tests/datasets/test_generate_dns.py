import functools
import os

import jax.numpy as jnp
import netCDF4
import numpy as np
import pytest

from closurax.datasets import generate_dns, open_dns
from closurax.physics.errors import BlowUpError, DataError
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity

SETTINGS = dict(seed=3, size=16, spin_up=(0.5, 0.25), save_every=0.25, progress=False)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("dns") / "dns.nc"
    generate_dns(path, duration=1.0, **SETTINGS)
    return path


def test_the_file_has_the_layout_of_a_dns(uninterrupted):
    with open_dns(uninterrupted) as dns:
        assert dict(dns.sizes) == {"time": 5, "x": 16, "y": 16}
        np.testing.assert_allclose(dns["time"], [0.0, 0.25, 0.5, 0.75, 1.0])
        assert dns["vorticity"].dtype == np.float32
        names = ("nu", "alpha", "beta", "kf", "Re", "N", "seed", "dt")
        assert [dns.attrs[name] for name in names] == [5e-5, 0.1, 0.0, 4.0, 2e4, 16, 3, 0.05]
        field_hat = np.fft.rfft2(dns["vorticity"].values)
        grid = SpectralGrid(16)
        scale = np.abs(field_hat).max()
        assert np.abs(field_hat[:, ~grid.resolved]).max() < 1e-5 * scale
        assert np.abs(np.diff(dns["vorticity"].values, axis=0)).max() > 0.1


def test_snapshots_are_those_of_the_model(uninterrupted):
    model = BarotropicVorticity(SpectralGrid(16))
    with open_dns(uninterrupted) as dns:
        vorticity = dns["vorticity"].load()
    run = model.run(
        model.initial_state(jnp.asarray(vorticity.values[0])),
        1.0,
        save_every=0.25,
        dt=0.05,
        progress=False,
    )
    np.testing.assert_allclose(run["vorticity"], vorticity, atol=1e-3)


def test_a_resumed_simulation_is_the_uninterrupted_one(uninterrupted, tmp_path):
    path = tmp_path / "dns.nc"
    generate_dns(path, duration=0.5, resume=True, **SETTINGS)
    with netCDF4.Dataset(path) as file:
        assert file.dimensions["time"].isunlimited() and file["time"].shape == (3,)
    generate_dns(path, duration=1.0, resume=True, **SETTINGS)
    with open_dns(path) as resumed, open_dns(uninterrupted) as whole:
        assert resumed.identical(whole)
    before = path.read_bytes()
    generate_dns(path, duration=1.0, resume=True, **SETTINGS)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["dns.nc"]


def test_an_interruption_keeps_what_was_computed(uninterrupted, tmp_path, monkeypatch):
    path = tmp_path / "dns.nc"
    run = BarotropicVorticity.run
    calls = []

    def interrupted(self, *args, **kwargs):
        calls.append(self.grid.nx)
        if calls.count(16) == 4:
            raise KeyboardInterrupt
        return run(self, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BarotropicVorticity, "run", interrupted)
        generate_dns(path, duration=1.0, **SETTINGS)
    with open_dns(path) as kept:
        assert kept.sizes["time"] == 3
    generate_dns(path, duration=1.0, resume=True, **SETTINGS)
    with open_dns(path) as resumed, open_dns(uninterrupted) as whole:
        assert resumed.identical(whole)


def test_a_file_is_neither_overwritten_nor_mixed(uninterrupted):
    with pytest.raises(DataError, match="exists; resume it"):
        generate_dns(uninterrupted, duration=2.0, **SETTINGS)
    with pytest.raises(DataError, match="made with seed = 3, not 4"):
        generate_dns(uninterrupted, duration=2.0, resume=True, **{**SETTINGS, "seed": 4})
    flow = functools.partial(BarotropicVorticity, beta=20.0)
    with pytest.raises(DataError, match="made with beta = 0.0, not 20.0"):
        generate_dns(uninterrupted, flow=flow, duration=2.0, resume=True, **SETTINGS)
    with pytest.raises(DataError, match="`duration` = 1.1 s is not a multiple"):
        generate_dns(uninterrupted, duration=1.1, resume=True, **SETTINGS)


def test_a_blow_up_keeps_what_was_computed(tmp_path):
    path = tmp_path / "dns.nc"
    flow = functools.partial(BarotropicVorticity, drag=-400.0)
    with pytest.raises(BlowUpError) as raised:
        generate_dns(path, flow=flow, duration=1.0, **{**SETTINGS, "spin_up": ()})
    assert "dns.nc" in raised.value.__notes__[0]
    with open_dns(path) as kept:
        assert 1 <= kept.sizes["time"] < 5

"""Train a subgrid closure inside the running simulation, from ten snapshots' mean spectrum.

Needs no download and takes about a minute: python examples/train_closure.py [ITERATIONS]
"""

import sys

import jax.numpy as jnp
import optax

from closurax import datasets, surrogates
from closurax.physics.closures import JansenHeldBackscatter
from closurax.physics.coupling import Sum
from closurax.physics.diagnostics import enstrophy_spectrum, log_spectrum_error
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity

iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 30
grid = SpectralGrid(48)
model = BarotropicVorticity(grid)

# All that the training sees of a direct numerical simulation: ten of its snapshots.
pairs = datasets.coarser_pairs(datasets.training_pairs().isel(time=slice(None, None, 12)), grid)
snapshots = pairs["vorticity"].values

# Two constants of a physical closure, and what a spectral eddy viscosity adds to it.
start = Sum(
    JansenHeldBackscatter(jnp.asarray(0.08), jnp.asarray(0.9)),
    surrogates.ScaledSpectralViscosity.uniform(0.0),
)
trained = surrogates.train_online(
    start,
    model.initial_state(snapshots),
    model=model,
    slot="subgrid",
    loss=surrogates.SpectrumLoss.from_snapshots(snapshots, grid),
    windows=[1.0],
    save_every=0.2,
    dt=0.02,
    iterations=iterations,
    members=8,
    optimiser=optax.chain(optax.clip_by_global_norm(1.0), optax.adam(5e-3)),
    seed=0,
    schemes_called="every step",
).scheme
surrogates.save("trained.eqx", trained)

# Judged in free runs from other states, by another simulation.
case = datasets.turbulence_case("kf4")
states = model.initial_state(case["vorticity"].values[:4])
expected = case["enstrophy_spectrum"].mean("block").values[:16]
for name, closure in {"start": start, "trained": surrogates.load("trained.eqx")}.items():
    coupled = model.replace(subgrid=closure)
    run = coupled.run(states, 12.0, save_every=0.5, dt=0.02, schemes_called="every step")
    spectra = enstrophy_spectrum(run["vorticity"].sel(time=slice(4, None)).values, grid)
    error = float(log_spectrum_error(jnp.mean(spectra, (0, 1))[:16], expected, 1, 15))
    print(f"{name:8s} error of the log enstrophy spectrum, k = 1..15: {error:.2f}")

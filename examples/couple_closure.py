"""Replace the subgrid closure of a running turbulence simulation by a learned one.

Needs no download and takes about a minute: python examples/couple_closure.py
"""

import numpy as np

from closurax import datasets, surrogates
from closurax.physics.closures import Leith
from closurax.physics.diagnostics import enstrophy_spectrum, log_spectrum_error
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity

# A direct numerical simulation (512 x 512) as the truth, and the coarse grid of our model.
truth = datasets.reference_dns()
grid = SpectralGrid(64)

# The model: forced two-dimensional turbulence with nothing in its slot "subgrid" yet.
model = BarotropicVorticity(grid, viscosity=5e-5, drag=0.1)

# A learned closure: here the best linear one, fitted to filtered snapshots of another run of
# the same flow. A network is trained with `surrogates.fit` and coupled in the same way.
pairs = datasets.training_pairs()
closure = surrogates.SpectralEddyViscosity.fit(
    pairs["vorticity"].values, pairs["subgrid_tendency"].values, grid
)

# One file, readable with numpy alone; loading it runs no code from the file.
surrogates.save("closure.eqx", closure, provenance={"data": pairs.attrs["title"]})

# The replacement is one line for each.
models = {
    "no closure": model,
    "Leith": model.replace(subgrid=Leith(0.2)),
    "learned": model.replace(subgrid=surrogates.load("closure.eqx")),
}

# Every model starts from the same two filtered snapshots of the truth.
start = model.initial_state(truth["vorticity_sharp64"].values[:2])
reference = truth["enstrophy_spectrum"].values[: grid.nx // 2]
for name, coupled in models.items():
    run = coupled.run(start, duration=10.0, save_every=0.5, dt=0.01)
    spectra = enstrophy_spectrum(run["vorticity"].sel(time=slice(5, None)).values, grid)
    spectrum = np.mean(np.asarray(spectra), axis=(0, 1))
    error = float(log_spectrum_error(spectrum[: len(reference)], reference))
    print(f"{name:12s} error of the log enstrophy spectrum, k = 1..20: {error:.2f}")

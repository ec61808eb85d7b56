"""A simulation that starts from sparse noisy observations: `python assimilate_field.py`.

A field of Gaussians that satisfies Burgers' equation as well as it can is fitted to observations
over some time; the model goes on from it, and from an interpolation of the same observations."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.interpolate import RBFInterpolator

from closurax import surrogates
from closurax.physics import problems
from closurax.physics.pdes import Burgers
from closurax.physics.spectral import PeriodicInterval
from closurax.surrogates.fields import LinearField, on_axes
from closurax.surrogates.training.fit_gaussians import quasi_random_gaussians

jax.config.update("jax_enable_x64", True)
VISCOSITY, WINDOW, OBSERVATIONS, NOISE, GAUSSIANS = 0.05, 0.5, 150, 0.1, 250


class PeriodicBurgers(problems.Burgers):
    periodic = (False, True)

    def boundary(self):
        return ()


model = Burgers(PeriodicInterval(128, length=2.0), viscosity=VISCOSITY)
x = model.grid.x
start = model.initial_state(np.sin(np.pi * x) + 0.5 * np.cos(2 * np.pi * x + 1))
truth = model.run(start, 2 * WINDOW, save_every=WINDOW / 50, dt=0.005, progress=False)["velocity"]

rng = np.random.default_rng(0)
times, places = rng.integers(0, 51, OBSERVATIONS), rng.integers(0, 128, OBSERVATIONS)
observed = truth.values[times, places] + NOISE * rng.standard_normal(OBSERVATIONS)
points = np.stack([truth["time"].values[times], x[places]], axis=-1)
coordinates = {"t": ("place", points[:, 0]), "x": ("place", points[:, 1])}
observations = xr.Dataset({"u": ("place", observed)}, coordinates)

problem = PeriodicBurgers(VISCOSITY, lower=(0.0, 0.0), upper=(WINDOW, 2.0))
features = quasi_random_gaussians(problem, GAUSSIANS, np.array([9.0, 28.0]), 2.0, seed=0)
field = LinearField(features, jnp.zeros((GAUSSIANS, 1)))
unknown = problems.WithoutConditions(problem, ["initial state"])
fitted = surrogates.fit_observations(unknown, field, observations)
surrogates.save("field.eqx", fitted.field, provenance={"noise": fitted.noise})
analysis = on_axes(problem, surrogates.load("field.eqx"), {"t": WINDOW, "x": x})["u"].values

# Images beyond both ends make it periodic. Of 0, 0.1, 0.3, 1 and 3 the smoothing is the best one.
images = np.concatenate([points + [0, shift] for shift in (-2, 0, 2)])
smooth = RBFInterpolator(images, np.tile(observed, 3), smoothing=0.1)
interpolated = smooth(np.stack([np.full(x.size, WINDOW), x], axis=-1))

for name, state in {"interpolation": interpolated, "field": analysis}.items():
    run = model.run(model.initial_state(state), WINDOW, save_every=WINDOW, dt=0.005, progress=False)
    wrong = [run["velocity"].values[i] - truth.values[j] for i, j in ((0, 50), (1, 100))]
    now, later = (np.sqrt(np.mean(each**2)) for each in wrong)
    print(f"{name:14}  error {now:.3f} at the start and {later:.3f} at the end of the forecast")

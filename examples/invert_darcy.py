"""The coefficient of Darcy flow from noisy pressures: `python invert_darcy.py`.

By the gradient through the solver, and through a surrogate in its place, whose training takes
most of the time, which is less than a minute.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.optimize import minimize

from closurax import datasets, surrogates
from closurax.physics import Quantity
from closurax.physics.pdes import CosineModes, Darcy
from closurax.surrogates.training import relative_h1_loss

POINTS, OBSERVATIONS, NOISE = 16, 60, 0.01
modes, problem = CosineModes(6), Darcy(POINTS)
along, squared = jnp.asarray(modes.at(problem.x), jnp.float32), modes.wavenumbers() ** 2
spread = jnp.asarray(100 / (np.add.outer(squared, squared) + 9), jnp.float32).at[0, 0].set(0.0)


def coefficient(xi):
    """From 3 to 12, with steep steps where a random field changes its sign."""
    return 3 + 9 * jax.nn.sigmoid(along @ (spread * xi.reshape(spread.shape)) @ along.T)


def invert(solution, cells, observed):
    """The most probable coefficient; the modes are standard normal before the observations."""

    def objective(xi):
        misfit = (solution(coefficient(xi)).ravel()[cells] - observed) / (NOISE * observed.mean())
        return 0.5 * jnp.sum(misfit**2) + 0.5 * jnp.sum(xi**2)

    options = dict(jac=True, method="L-BFGS-B", options={"maxiter": 100})
    found = minimize(jax.jit(jax.value_and_grad(objective)), np.zeros(spread.size), **options)
    return coefficient(jnp.asarray(found.x, jnp.float32))


# A surrogate must know the coefficients that an inversion comes by, with all widths of a step.
a = jax.vmap(coefficient)(jax.random.normal(jax.random.key(0), (2000, spread.size)))
a, u = (np.asarray(field)[:, None] for field in (a, jax.jit(jax.vmap(problem.solve))(a)))
operator = surrogates.MgNO(width=12, depth=3, before=(1, 1, 2), key=jax.random.key(0))
names = [Quantity("a", "1")], [Quantity("u", "1")]
surrogate = surrogates.FieldSurrogate(operator, *names, *map(datasets.Standardiser.fit, (a, u)))
fit, check = ({"inputs": a[part], "targets": u[part]} for part in (slice(80, None), slice(80)))
options = dict(epochs=4, batch_size=16, seed=0, loss=relative_h1_loss)
options["optimiser"] = optax.adam(optax.cosine_onecycle_schedule(480, 4e-3))
learned = surrogates.fit(surrogate, fit, check, **options).best

truth = coefficient(jax.random.normal(jax.random.key(1), (spread.size,)))
rng = np.random.default_rng(1)
cells = rng.choice(truth.size, OBSERVATIONS, replace=False)
observed = np.asarray(problem.solve(truth)).ravel()[cells]
observed += NOISE * observed.mean() * rng.standard_normal(OBSERVATIONS, "f4")
for name, solution in {"solver": problem.solve, "surrogate": lambda a: learned(a[None])[0]}.items():
    wrong = np.mean((invert(solution, cells, observed) > 7.5) != (truth > 7.5))
    print(f"{name:10}  {100 * wrong:5.1f} % of the cells have the wrong value")

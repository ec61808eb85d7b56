"""A multigrid neural operator for Darcy flow: `python learn_operator.py [points] [samples]`.

By default the grid has 16 x 16 points, which takes about a minute. 64 points and 1000 samples are
a useful size, for which a GPU helps.
"""

import sys

import jax
import numpy as np
import optax

from closurax import datasets, surrogates
from closurax.physics import Quantity
from closurax.physics.pdes import Darcy
from closurax.surrogates.training import relative_h1_loss, relative_l2

POINTS = int(sys.argv[1]) if len(sys.argv) > 1 else 16
SAMPLES = int(sys.argv[2]) if len(sys.argv) > 2 else 240
EPOCHS, BATCH = 3, 8


def fields(name, samples, seed):
    """Coefficients and solutions, `(sample, channel, x, y)`; a file that is there is kept."""
    options = dict(samples=samples, seed=seed, shape=(POINTS, POINTS), refinement=3)
    datasets.generate_darcy(name, **options, resume=True)
    with datasets.open_fields(name, ["a"], ["u"]) as data:
        return data["a"].values[:, None], data["u"].values[:, None]


train, validation, test = (
    fields(f"darcy-{POINTS}-{seed}.nc", count, seed)
    for seed, count in enumerate((SAMPLES, max(8, SAMPLES // 6), 40), start=1)
)
# Down to two points along each axis, with a second smoothing there.
levels = max(2, POINTS.bit_length() - 1)
before = (1,) * (levels - 1) + (2,)
operator = surrogates.MgNO(
    width=16, depth=3, before=before, boundary="dirichlet", key=jax.random.key(0)
)
surrogate = surrogates.FieldSurrogate(
    operator, [Quantity("a", "1")], [Quantity("u", "1")], *map(datasets.Standardiser.fit, train)
)
samples = dict(zip(("inputs", "targets"), datasets.dihedral_copies(*train), strict=True))
steps = EPOCHS * (len(samples["inputs"]) // BATCH)
optimiser = optax.adam(optax.cosine_onecycle_schedule(steps, 2e-3, pct_start=0.2))
options = dict(optimiser=optimiser, epochs=EPOCHS, batch_size=BATCH, seed=0)
check = dict(zip(("inputs", "targets"), validation, strict=True))
learned = surrogates.fit(surrogate, samples, check, loss=relative_h1_loss, **options).best
surrogates.save("darcy.eqx", learned)

for name, solution in {
    "mean of the samples": lambda a: train[1].mean(axis=0),
    "finite volumes": lambda a: Darcy(POINTS).solve(a[0])[None],
    "learned operator": surrogates.load("darcy.eqx"),
}.items():
    predicted = jax.jit(jax.vmap(lambda a, solution=solution: solution(a)))(test[0])
    error = float(np.mean(jax.vmap(relative_l2)(predicted, test[1])))
    print(f"{name:20}  {100 * error:5.1f} % from the solution on a finer grid")

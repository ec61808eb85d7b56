"""What a simulation costs with each closure, and what the DNS costs."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr

from closurax import datasets
from closurax.physics import AbstractScheme
from closurax.physics.solvers import ETDRK4
from closurax.physics.spectral import SpectralGrid

from .closure_training_settings import CoarseModel
from .coarse_turbulence import coarse_model, run_options, start_states

_STEPS, _DNS_STEPS, _ROUNDS = 50, 5, 5


def simulation_costs(
    closures: Mapping[str, AbstractScheme | None],
    settings: CoarseModel,
    members: int,
    case: xr.Dataset,
) -> dict[str, float]:
    """Seconds of wall time for a simulated second of one member, by closure, and of the `dns`.

    All are timed in turn, several times over, and the shortest time of each counts, so that what
    else the machine does meets all alike.

    **Arguments:**

    - `members`: simulated side by side, as the closures are judged; the DNS has one.
    - `case`: the statistics of the DNS, which say how it was made.
    """
    model = coarse_model(settings)
    states = start_states(case, model, members)
    duration, options = _STEPS * settings.time_step, run_options(settings)

    @eqx.filter_jit
    def advance(closure, states):
        coupled = model.replace(subgrid=closure)

        def of_member(state):
            return coupled.trajectory(state, duration, save_every=duration, **options)[0]

        return jax.vmap(of_member)(states)

    runs: dict[str, tuple[Callable[[], Any], float]] = {
        name: (partial(advance, closure, states), duration * members)
        for name, closure in closures.items()
    }
    runs["dns"] = _dns_run(settings, case)
    for run, _ in runs.values():
        jax.block_until_ready(run())
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, (run, simulated) in runs.items():
            begin = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append((time.perf_counter() - begin) / simulated)
    return {name: float(np.min(values)) for name, values in seconds.items()}


def _dns_run(settings: CoarseModel, case: xr.Dataset) -> tuple[Callable[[], Any], float]:
    """Some steps of the DNS, from a field that it might have had, and what they simulate in s."""
    model = datasets.case_flow(settings.case, SpectralGrid(int(case.attrs["N"])))
    (state,) = start_states(case, model, 1)
    dt = float(case.attrs["dt"])
    duration = _DNS_STEPS * dt
    run = jax.jit(
        lambda state: model.trajectory(
            state, duration, save_every=duration, dt=dt, solver=ETDRK4()
        )[0]
    )
    return partial(run, state), duration

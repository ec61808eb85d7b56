"""What a simulation costs with each closure, and what the DNS costs."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import equinox as eqx
import jax
import xarray as xr

from closurax import datasets
from closurax.physics import AbstractScheme
from closurax.physics.solvers import ETDRK4
from closurax.physics.spectral import SpectralGrid

from .closure_training_settings import CoarseModel
from .coarse_turbulence import coarse_model, run_options, start_states
from .shortest_seconds import shortest_of_each

_STEPS, _DNS_STEPS, _ROUNDS = 50, 5, 5


def simulation_costs(
    closures: Mapping[str, AbstractScheme | None],
    settings: CoarseModel,
    members: int,
    case: xr.Dataset,
) -> dict[str, float]:
    """Seconds of wall time for a simulated second of one member, by closure, and of the `dns`.

    All are timed in turn, see `shortest_of_each`.

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

    works = {name: partial(advance, closure, states) for name, closure in closures.items()}
    dns, dns_duration = _dns_run(settings, case)
    seconds = shortest_of_each({**works, "dns": dns}, _ROUNDS)
    costs = {name: seconds[name] / (duration * members) for name in works}
    return costs | {"dns": seconds["dns"] / dns_duration}


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

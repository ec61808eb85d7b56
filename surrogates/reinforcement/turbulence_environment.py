from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from closurax.physics.diagnostics import enstrophy_density, mean_enstrophy
from closurax.physics.errors import ClosuraxError
from closurax.physics.solvers import ETDRK2, OncePerStep
from closurax.physics.spectral import from_real_view
from closurax.physics.turbulence import BarotropicVorticity

from ..closures.agent_closure import AgentClosure, Policy
from ..closures.agent_lattice import AgentLattice
from ..closures.coefficient_forms import AbstractCoefficientForm, LeithForm
from ..closures.held_coefficients import HeldCoefficients
from ..closures.local_invariants import LocalInvariants
from ..closures.resolved_spectrum import (
    mean_resolved_spectrum,
    resolved_spectrum,
    resolved_wavenumbers,
)
from .environment import AbstractEnvironment, Step
from .flow_symmetries import FlowSymmetries, flow_symmetries

_PENALTIES = {"published": -1e4, "log": -100.0}
# Below any difference of spectra in single precision; an exact match must not be infinite.
_LEAST_MISMATCH = 1e-12


class TurbulenceState(NamedTuple):
    """A flow, as the state of the model, and its enstrophy spectrum averaged so far, in s-2."""

    flow: Float[Array, "2 nx nk"]
    spectrum: Float[Array, " entries"]


class TurbulenceEnvironment(AbstractEnvironment):
    r"""Two-dimensional turbulence on a coarse grid, whose agents choose the subgrid viscosity.

    An action is held for `steps_per_action` time steps. The reward, the same for all agents,
    compares the running mean of the enstrophy spectrum, $\bar Z(k)$, with that of a direct
    numerical simulation, $Z_0(k)$, at the resolved wavenumbers above zero:

    $$r = \frac{1}{\sum_k k^2 \left(\bar Z - Z_0\right)^2} \quad (\texttt{"published"}), \qquad
    r = -\frac{1}{K} \sum_k \left(\ln \bar Z - \ln Z_0\right)^2 \quad (\texttt{"log"}).$$

    The first is that of Mojgani et al. 2023, arXiv 2312.00907, for a spectrum that is not averaged;
    its sum is ruled by the few wavenumbers with the most enstrophy. In the second, which has the
    same weight for all wavenumbers, a closure that is a factor $e$ off everywhere earns -1.

    A flow has diverged when its enstrophy is not finite or exceeds `divergence_factor` times that
    of the initial states. The last state before is kept, so that values and gradients stay finite.
    """

    model: BarotropicVorticity
    initial: Float[Array, "start nx ny"]
    reference: Float[Array, " entries"]
    enstrophy_limit: Float[Array, ""]
    symmetries: FlowSymmetries
    form: AbstractCoefficientForm
    observation: LocalInvariants
    lattice: AgentLattice
    solver: diffrax.AbstractSolver
    dt: float = eqx.field(static=True)
    steps_per_action: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    reward: str = eqx.field(static=True)
    spectrum: str = eqx.field(static=True)
    averaging_time: float = eqx.field(static=True)
    penalty: float = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    observation_size: int = eqx.field(static=True)
    action_size: int = eqx.field(static=True)

    def __init__(
        self,
        model: BarotropicVorticity,
        initial: Float[Array | np.ndarray, "start nx ny"],
        *,
        reference: Float[Array | np.ndarray, " entries"] | None = None,
        form: AbstractCoefficientForm | None = None,
        observation: LocalInvariants | None = None,
        lattice: AgentLattice | None = None,
        solver: diffrax.AbstractSolver | None = None,
        dt: float = 5e-3,
        steps_per_action: int = 10,
        horizon: int = 1000,
        reward: str = "log",
        spectrum: str = "axes",
        averaging_time: float = 1.0,
        penalty: float | None = None,
        divergence_factor: float = 10.0,
        use_symmetries: bool = True,
    ):
        """**Arguments:**

        - `model`: on a square grid; the agents take its slot `subgrid`.
        - `initial`: vorticity fields in s-1 to start from, such as snapshots of a direct numerical
            simulation filtered to the grid.
        - `reference`: the spectrum to reach, as `mean_resolved_spectrum` returns it; by default
            that of `initial`.
        - `form`, `observation`, `lattice`: what the agents choose and see, and where they are; by
            default as in `AgentClosure`.
        - `solver`: by default `ETDRK2()`. The subgrid term is evaluated once per step.
        - `dt`: in s.
        - `steps_per_action`: time steps for which an action is held.
        - `horizon`: actions of an episode.
        - `reward`: `"published"` or `"log"`.
        - `spectrum`: of the reward, `"axes"` or `"shells"`; see `resolved_spectrum`.
        - `averaging_time`: in s, of the exponential mean of the spectrum; zero for none. The mean
            starts from the spectrum of the initial state.
        - `penalty`: the reward for a divergence; by default -1e4 with the published reward, and
            -100 with the other.
        - `divergence_factor`: how much more enstrophy than the mean of `initial` is a divergence.
        - `use_symmetries`: whether episodes start from all copies of the initial states under the
            symmetries of the forced flow, or from themselves alone.

        Raises `GridMismatchError` for fields or a lattice that do not fit the grid, `ClosuraxError`
        for other settings that do not fit.
        """
        form = LeithForm() if form is None else form
        observation = LocalInvariants() if observation is None else observation
        lattice = AgentLattice() if lattice is None else lattice
        grid = model.grid
        grid.check(initial, "initial")
        if initial.ndim != 3 or len(initial) == 0:
            raise ClosuraxError(
                f"`initial` has shape {tuple(initial.shape)}; give at least one field, with a "
                "leading axis."
            )
        if reward not in _PENALTIES:
            raise ClosuraxError(f"`reward` is {reward!r}; it may be 'published' or 'log'.")
        for name, value in {
            "dt": dt,
            "steps_per_action": steps_per_action,
            "horizon": horizon,
            "divergence_factor": divergence_factor,
        }.items():
            if not value > 0:
                raise ClosuraxError(f"`{name}` must be positive, not {value}.")
        if averaging_time < 0:
            raise ClosuraxError(f"`averaging_time` must not be negative: {averaging_time}.")
        initial = jnp.asarray(initial)
        wavenumbers = resolved_wavenumbers(grid, spectrum)
        if reference is None:
            reference = mean_resolved_spectrum(grid, initial, spectrum)
        reference = jnp.asarray(reference, initial.dtype)
        if reference.shape != wavenumbers.shape:
            raise ClosuraxError(
                f"`reference` has shape {reference.shape}, but the grid resolves "
                f"{wavenumbers.size} wavenumbers in a spectrum of {spectrum!r}."
            )
        if not bool(jnp.all(reference[wavenumbers > 0] > 0)):
            raise ClosuraxError("`reference` must be positive at all wavenumbers above zero.")
        symmetries = flow_symmetries(model)
        if not use_symmetries:
            symmetries = FlowSymmetries(symmetries.matrix[:1], symmetries.shift[:1])
        agents_x, agents_y = lattice.shape_on(grid)
        self.model, self.initial, self.reference = model, initial, reference
        self.enstrophy_limit = divergence_factor * jnp.mean(mean_enstrophy(initial, grid))
        self.symmetries = symmetries
        self.form, self.observation, self.lattice = form, observation, lattice
        self.solver = ETDRK2() if solver is None else solver
        self.dt, self.steps_per_action, self.horizon = dt, steps_per_action, horizon
        self.reward, self.spectrum, self.averaging_time = reward, spectrum, averaging_time
        self.penalty = _PENALTIES[reward] if penalty is None else penalty
        self.agents = agents_x * agents_y
        self.observation_size = observation.size(grid)
        self.action_size = form.channels

    def closure(self, policy: Policy) -> AgentClosure:
        """The scheme that acts with `policy` as the agents here would."""
        return AgentClosure(policy, self.form, self.observation, self.lattice)

    def reset(self, key: Key[Array, ""]) -> TurbulenceState:
        start_key, symmetry_key = jr.split(key)
        vorticity = self.initial[jr.randint(start_key, (), 0, len(self.initial))]
        symmetry = jr.randint(symmetry_key, (), 0, self.symmetries.count)
        flow = self.model.initial_state(self.symmetries.apply(vorticity, symmetry))
        return TurbulenceState(flow, self._spectrum(flow))

    def observe(self, state: TurbulenceState) -> Float[Array, "agents observation"]:
        """The agents follow each other along y first."""
        vorticity_hat = from_real_view(state.flow)
        seen = self.observation(self.model.grid, vorticity_hat, self.lattice)
        return seen.reshape(self.agents, -1)

    def step(
        self, state: TurbulenceState, action: Float[Array, "agents action"], key: Key[Array, ""]
    ) -> Step:
        """The flow is deterministic: `key` is not used."""
        del key
        flow, diverged = self._advance(state.flow, self.coefficients(action))
        weight = 1.0
        if self.averaging_time > 0:
            weight = -float(np.expm1(-self.steps_per_action * self.dt / self.averaging_time))
        spectrum = state.spectrum + weight * (self._spectrum(flow) - state.spectrum)
        reward = jnp.where(diverged, self.penalty, self._reward(spectrum))
        return Step(TurbulenceState(flow, spectrum), reward, diverged)

    def coefficients(self, action: Float[Array, "agents action"]) -> Float[Array, "channel nx ny"]:
        """What the actions make of the coefficients of the form, on the grid."""
        grid = self.model.grid
        on_lattice = action.astype(self.initial.dtype).T.reshape(-1, *self.lattice.shape_on(grid))
        return self.lattice.interpolate(grid, self.form.coefficients(on_lattice))

    def _advance(
        self, flow: Float[Array, "2 nx nk"], coefficients: Float[Array, "channel nx ny"]
    ) -> tuple[Float[Array, "2 nx nk"], Bool[Array, ""]]:
        """The flow after the steps of an action, or before the one in which it diverged."""
        model = self.model.replace(subgrid=HeldCoefficients(self.form, coefficients))
        solver, terms = OncePerStep(self.solver), model.once_per_step_terms(flow.dtype)
        memory = model.initial_memory(flow)
        # Nothing depends on time: all steps are the first.
        start, end = jnp.zeros(()), jnp.asarray(self.dt, jnp.result_type(float))

        def body(carry: Any, _) -> tuple[Any, None]:
            flow, solver_state, diverged = carry
            (new, _), _, _, solver_state, _ = solver.step(
                terms, start, end, (flow, memory), None, solver_state, False
            )
            # At each step, because what overflows has no finite derivative even if unused.
            within = jnp.sum(enstrophy_density(from_real_view(new), model.grid)) <= (
                self.enstrophy_limit
            )
            diverged = diverged | ~within
            return (jnp.where(diverged, flow, new), solver_state, diverged), None

        solver_state = solver.init(terms, start, end, (flow, memory), None)
        carry = (flow, solver_state, jnp.zeros((), bool))
        # Derivatives recompute each step from the flow before it.
        (flow, _, diverged), _ = lax.scan(
            jax.checkpoint(body, prevent_cse=False), carry, length=self.steps_per_action
        )
        return flow, diverged

    def _spectrum(self, flow: Float[Array, "2 nx nk"]) -> Float[Array, " entries"]:
        return resolved_spectrum(self.model.grid, from_real_view(flow), self.spectrum)

    def _reward(self, spectrum: Float[Array, " entries"]) -> Float[Array, ""]:
        wavenumbers = resolved_wavenumbers(self.model.grid, self.spectrum)
        first = int(np.sum(wavenumbers == 0))
        if self.reward == "log":
            ratio = spectrum[first:] / self.reference[first:]
            return -jnp.mean(jnp.log(jnp.maximum(ratio, _LEAST_MISMATCH)) ** 2)
        weights = jnp.asarray(wavenumbers, spectrum.dtype)
        mismatch = jnp.sum((weights * (spectrum - self.reference)) ** 2)
        return 1 / jnp.maximum(mismatch, _LEAST_MISMATCH)

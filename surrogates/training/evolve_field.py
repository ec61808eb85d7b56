from collections.abc import Callable
from functools import partial
from typing import Any, get_origin

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.errors import BlowUpError
from closurax.physics.problems import AbstractEvolution, Jet, jet_at
from closurax.physics.solvers import DiagonalLinearTerm, DiagonalRootFinder

from ..fields.evolved_field import EvolvedField
from ..fields.features import AbstractFeatures
from ..fields.galerkin_basis import GalerkinBasis
from .chebyshev_series import chebyshev_series

_MAX_STEPS = 1_000_000
# Of the start: a solution that ends at a finite time takes ever shorter steps towards it.
_BLOWN_UP = 1e8
# Of double precision, in sums over the points of a quadrature.
_ROUNDING = 1e-13


def evolve(
    problem: AbstractEvolution,
    features: AbstractFeatures,
    basis: GalerkinBasis,
    times: Float[np.ndarray, " times"],
    *,
    offset: Callable[[Array], Array] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    tolerance: float = 1e-10,
    adjoint: diffrax.AbstractAdjoint | None = None,
    progress: bool = True,
) -> EvolvedField:
    r"""The solution of an evolution problem as features of space with weights of time.

    The equation is projected on the span of the features. With orthonormal functions $b$ and
    quadrature weights $\omega$ the state $a$ of

    $$u = u_0 + \sum_n a_n b_n, \qquad
    \frac{da_n}{dt} = \sum_q \omega_q \, b_n(x_q) \, \bigl(F(u) - \partial_t u_0\bigr)(t, x_q)$$

    is that of a solve with diffrax (Galerkin's method).

    **Arguments:**

    - `problem`: whose boundary conditions the features and the offset fulfil.
    - `features`: functions of a point in space.
    - `basis`: `GalerkinBasis.spanning` these features.
    - `times`: which are kept, the first and the last of the problem among them.
    - `offset`: $u_0$, a function of a point in time and space. By default `problem.lift`.
    - `solver`: of diffrax. One of those with an implicit and an explicit part treats the constant
        diffusivity of the problem implicitly, in functions in which it is diagonal. By default
        `diffrax.KenCarp5` where there is such a diffusivity, else `diffrax.Dopri8`.
    - `tolerance`: of the steps, of coefficients of orthonormal functions.
    - `adjoint`: of diffrax, for derivatives with respect to what the problem holds; by default
        `diffrax.RecursiveCheckpointAdjoint`, for those in reverse mode.
    - `progress`: whether to show a bar.

    Raises `BlowUpError` if the solver does not reach the end; while it is transformed by jax
    the field is not finite then.
    """
    offset = problem.lift if offset is None else offset
    if solver is None:
        finder = DiagonalRootFinder(complex_coefficients=False)
        stiff = problem.constant_diffusivity is not None
        solver = diffrax.KenCarp5(root_finder=finder) if stiff else diffrax.Dopri8()
    start = jax.vmap(problem.initial)(basis.points) - jax.vmap(offset)(
        _with_time(jnp.asarray(times[0]), basis.points)
    )
    linear = None
    if get_origin(solver.term_structure) is diffrax.MultiTerm:
        basis, eigenvalues = basis.decaying()
        diffusivity = problem.constant_diffusivity
        linear = DiagonalLinearTerm((0.0 if diffusivity is None else diffusivity) * eigenvalues)
    tendency: Any = _Projected(problem, basis, offset)
    if problem.is_linear:
        tendency = _Linear(_known(tendency, times), _matrix(problem, basis, times[0]))
    # The solve ends its steps at the times that are kept: between them it is less accurate.
    controller = diffrax.ClipStepSizeController(
        diffrax.PIDController(rtol=tolerance, atol=tolerance, pcoeff=0.2, icoeff=0.5),
        step_ts=jnp.asarray(times),
    )
    meter = diffrax.TqdmProgressMeter(refresh_steps=20) if progress else diffrax.NoProgressMeter()
    states, slopes, reached = _solved(
        tendency,
        linear,
        basis.projected(start).T,
        jnp.asarray(times),
        solver,
        controller,
        meter,
        diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint,
    )

    def field_until(end: int) -> EvolvedField:
        weights, changes = (
            jnp.einsum("nm,tfm->tnf", basis.mixing, each[:end]) for each in (states, slopes)
        )
        return EvolvedField(features, jnp.asarray(times[:end]), weights, changes, offset)

    ends_well = reached & jnp.isfinite(states).all()
    if isinstance(ends_well, jax.core.Tracer):
        states = jnp.where(ends_well, states, jnp.nan)
    elif not ends_well:
        kept = int(jnp.isfinite(states).all(axis=(1, 2)).sum())
        raise BlowUpError(
            f"{type(problem).__name__} does not reach t = {times[-1]:g} with {basis.modes} "
            f"functions, and is finite until t = {times[kept - 1]:g}: take more Gaussians, or a "
            "larger tolerance.",
            partial=field_until(kept),
        )
    return field_until(len(times))


class _Projected(eqx.Module):
    """The change of the coefficients with time."""

    problem: AbstractEvolution
    basis: GalerkinBasis
    offset: Callable[[Array], Array]

    def __call__(self, t, state, args=None):
        points = _with_time(t, self.basis.points)
        known = jax.vmap(lambda point: jet_at(self.offset, point))(points)
        jet = Jet(known.value, known.gradient[..., 1:], known.second[..., 1:])
        if state is not None:
            jet = jet + self.basis.jet(state.T)
        change = jax.vmap(self.problem.tendency)(points, jet) - known.gradient[..., 0]
        return self.basis.projected(change).T


class _Linear(eqx.Module):
    """The same for a linear problem: by one matrix, and what the offset contributes."""

    known: Callable[[Array], Array]
    """A function of an array with the time."""
    matrix: Float[Array, "modes modes"]

    def __call__(self, t, state, args=None):
        return self.known(t[None])[None] + state @ self.matrix


class _OfOffset(eqx.Module):
    projected: _Projected

    def __call__(self, times: Float[Array, "1"]) -> Float[Array, " modes"]:
        return self.projected(times[0], None)[0]


def _known(projected: _Projected, times: Float[np.ndarray, " times"]) -> Callable[[Array], Array]:
    """What the offset contributes, as a series in time if that is as good.

    It takes derivatives of the offset at all points; a solve would do so in every stage.
    """
    direct = _OfOffset(projected)
    leaves = jax.tree.leaves(eqx.filter(direct, eqx.is_array))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return direct
    series = chebyshev_series(direct, float(times[0]), float(times[-1]), _ROUNDING)
    return direct if series is None else series


@eqx.filter_jit
def _matrix(problem: AbstractEvolution, basis: GalerkinBasis, time) -> Array:
    """The matrix that a row of coefficients is multiplied with."""
    points = _with_time(jnp.asarray(time), basis.points)
    zero = basis.jet(jnp.zeros((basis.modes, 1), basis.value.dtype))
    slopes = jax.vmap(jax.jacfwd(problem.tendency, argnums=1))(points, zero)
    changed = slopes.value[:, 0, 0, None] * basis.value
    for axis in range(basis.points.shape[1]):
        changed = changed + slopes.gradient[:, 0, 0, axis, None] * basis.gradient[axis]
        changed = changed + slopes.second[:, 0, 0, axis, None] * basis.second[axis]
    return changed.T @ (basis.measure[:, None] * basis.value)


class _Rest(eqx.Module):
    """What the linear term leaves."""

    tendency: _Projected
    linear: DiagonalLinearTerm

    def __call__(self, t, state, args):
        return self.tendency(t, state) - self.linear.vf(t, state, args)


def _with_time(t: Array, places: Array) -> Array:
    times = jnp.broadcast_to(jnp.asarray(t, places.dtype), (len(places), 1))
    return jnp.concatenate([times, places], axis=1)


def _has_blown_up(t, state, args, *, largest, **kwargs):
    return jnp.abs(state).max() > largest


@eqx.filter_jit
def _solved(tendency, linear, start, times, solver, controller, meter, adjoint):
    terms: Any = diffrax.ODETerm(tendency)
    if linear is not None:
        terms = diffrax.MultiTerm(diffrax.ODETerm(_Rest(tendency, linear)), linear)
    solution = diffrax.diffeqsolve(
        terms,
        solver,
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=controller,
        max_steps=_MAX_STEPS,
        progress_meter=meter,
        adjoint=adjoint,
        event=diffrax.Event(partial(_has_blown_up, largest=_BLOWN_UP * (1 + jnp.abs(start).max()))),
        throw=False,
    )
    slopes = jax.lax.map(lambda saved: tendency(*saved), (times, solution.ys))
    return solution.ys, slopes, solution.result == diffrax.RESULTS.successful

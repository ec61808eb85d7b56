"""Simpler ways from observations of an Allen-Cahn equation to its coefficients."""

from collections.abc import Sequence

import numpy as np
import scipy.optimize
import scipy.signal
from jaxtyping import Float

from closurax.physics.problems import CosineAllenCahn
from closurax.physics.problems.cosine_allen_cahn import evaluate

_MODES, _STEPS = 512, 300
# Of the smoothing polynomials, in points of the grid, and of the test functions.
_WINDOW, _DEGREE = 11, 4
_WEAK_TIMES, _WEAK_PLACES, _WEAK_POWER = 10, 8, 4


def simulated(
    diffusivity: float,
    reaction_rate: float,
    times: Float[np.ndarray, " times"],
    x: Float[np.ndarray, " places"],
    *,
    modes: int = _MODES,
    steps: int = _STEPS,
) -> Float[np.ndarray, "times places"]:
    """The solution on a grid, by cosine modes."""
    solver = CosineAllenCahn(diffusivity, reaction_rate, modes, steps)
    # The solution is even.
    places, which = np.unique(np.abs(x).round(12), return_inverse=True)
    rows = [evaluate(series, places) for series in solver.coefficients(times)]
    values = np.stack(rows)
    values[times == 0] = places**2 * np.cos(np.pi * places)
    return values[:, which]


def fit_by_solver(
    observed: Float[np.ndarray, "times places"],
    times: Float[np.ndarray, " times"],
    x: Float[np.ndarray, " places"],
    start: Sequence[float],
    both: bool,
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    """Least squares of the solution by a spectral solver: coefficients and standard deviations.

    **Arguments:**

    - `start`: the diffusivity and the reaction rate.
    - `both`: whether the diffusivity is unknown, too.
    """
    guess = np.asarray(start)
    chosen = np.array([both, True])

    def misfit(logarithms: np.ndarray) -> np.ndarray:
        coefficients = guess.copy()
        coefficients[chosen] *= np.exp(logarithms)
        return (
            simulated(float(coefficients[0]), float(coefficients[1]), times, x) - observed
        ).ravel()

    found = scipy.optimize.least_squares(
        misfit, np.zeros(chosen.sum()), method="lm", diff_step=1e-5, xtol=1e-9
    )
    coefficients, deviations = guess.copy(), np.zeros(2)
    coefficients[chosen] *= np.exp(found.x)
    variance = np.sum(found.fun**2) / (observed.size - len(found.x))
    covariance = np.linalg.inv(found.jac.T @ found.jac) * variance
    deviations[chosen] = coefficients[chosen] * np.sqrt(np.diag(covariance))
    return coefficients, deviations


def regress_derivatives(
    observed: Float[np.ndarray, "times places"],
    times: Float[np.ndarray, " times"],
    x: Float[np.ndarray, " places"],
    diffusivity: float | None = None,
) -> Float[np.ndarray, "2"]:
    """The coefficients by linear regression of the equation at the points of the grid.

    Derivatives are those of local polynomials (Savitzky and Golay 1964, Anal. Chem. 36, 1627), as
    in the search for equations by sparse regression (Rudy et al. 2017, Sci. Adv. 3, e1602614).

    **Arguments:**

    - `diffusivity`: if it is known.
    """

    def smoothed(order: int, axis: int, step: float) -> np.ndarray:
        mode = "wrap" if axis else "interp"
        return scipy.signal.savgol_filter(observed, _WINDOW, _DEGREE, order, step, axis, mode)

    rate = smoothed(1, 0, times[1] - times[0])
    bend, value = smoothed(2, 1, x[1] - x[0]), smoothed(0, 1, 1.0)
    return _regressed(rate, bend, value - value**3, diffusivity)


def regress_weakly(
    observed: Float[np.ndarray, "times places"],
    times: Float[np.ndarray, " times"],
    x: Float[np.ndarray, " places"],
    diffusivity: float | None = None,
) -> Float[np.ndarray, "2"]:
    r"""As `regress_derivatives`, with the equation integrated against test functions.

    Derivatives then are those of the test functions $(1 - s^2)^4 (1 - z^2)^4$, and no noise is
    differentiated (Messenger and Bortz 2021, Multiscale Model. Simul. 19, 1474).
    """
    bump = np.polynomial.Polynomial([1, 0, -1]) ** _WEAK_POWER
    in_time, in_space = (
        [
            bump.deriv(order)(np.arange(-reach, reach + 1) / reach) / (reach * step) ** order
            for order in range(3)
        ]
        for reach, step in ((_WEAK_TIMES, times[1] - times[0]), (_WEAK_PLACES, x[1] - x[0]))
    )

    def against(values: np.ndarray, time_order: int, space_order: int) -> np.ndarray:
        wrapped = np.pad(values, ((0, 0), (_WEAK_PLACES, _WEAK_PLACES)), mode="wrap")
        kernel = np.outer(in_time[time_order], in_space[space_order])
        # The test functions are even, so that correlation is convolution, up to the sign.
        return (-1) ** (time_order + space_order) * scipy.signal.fftconvolve(
            wrapped, kernel, mode="valid"
        )

    rate = -against(observed, 1, 0)
    return _regressed(
        rate, against(observed, 0, 2), against(observed - observed**3, 0, 0), diffusivity
    )


def _regressed(
    rate: np.ndarray, bend: np.ndarray, reaction: np.ndarray, diffusivity: float | None
) -> np.ndarray:
    if diffusivity is not None:
        rate = rate - diffusivity * bend
        return np.array([diffusivity, np.vdot(reaction, rate) / np.vdot(reaction, reaction)])
    columns = np.stack([bend.ravel(), reaction.ravel()], axis=1)
    return np.linalg.lstsq(columns, rate.ravel(), rcond=None)[0]

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jaxtyping import Float

from ..solvers.phi_functions import phi_functions

_NEGLIGIBLE = 1e-18


@dataclasses.dataclass(frozen=True)
class CosineAllenCahn:
    r"""The solution of `AllenCahn` by cosine modes and exponential time stepping.

    The solution is even about 0 and about 1, so that it is a series in $\cos k \pi x$. The
    initial state enters by its exact coefficients, which fall as $k^{-2}$ for the corner; steps
    of ETDRK4 (Cox and Matthews 2002, J. Comput. Phys. 176, 430) grow from the start as the cube
    of their index, while the corner smooths. A step from the last of these times before it leads
    to any other time.

    With the defaults the relative error on 513 by 201 points is 9e-12 against four times the modes
    and twice the steps, and falls with the fourth power of the number of steps; 2048 modes would
    do. Before a time of 1e-3 the modes left out still count, by up to 8e-5 at the corner and 1e-7
    where $|x| < 0.9$; from then on by less than 1e-12. At 0 itself the values are exact.
    """

    diffusivity: float
    reaction_rate: float
    modes: int = 4096
    steps: int = 1600
    """To a time of 1."""

    def __call__(
        self, t: Float[np.ndarray, " points"], x: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, " points"]:
        """The values in double precision at the points `(t, x)`, with `t` from 0 on."""
        values = np.empty(len(t))
        times, which = np.unique(t, return_inverse=True)
        order = np.argsort(which, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(which))[:-1])
        for group, modes in zip(groups, self.coefficients(times), strict=True):
            values[group] = evaluate(modes, x[group])
        start = t == 0
        values[start] = x[start] ** 2 * np.cos(np.pi * x[start])
        return values

    def coefficients(self, times: Float[np.ndarray, " times"]) -> Iterator[np.ndarray]:
        r"""$b$ of $u = b_0 + 2 \sum_{k>0} b_k \cos k \pi x$ at each of the times, which rise."""
        now, index, state = 0.0, 0, self.initial()
        for time in times:
            while (later := ((index + 1) / self.steps) ** 3) <= time:
                state = self.step(state, later - now)
                now, index = later, index + 1
            yield state if time == now else self.step(state, float(time - now))

    def initial(self) -> Float[np.ndarray, " modes"]:
        k = np.arange(self.modes)
        return (_moment(k + 1) + _moment(k - 1)) / 2

    def step(self, state: Float[np.ndarray, " modes"], by: float) -> Float[np.ndarray, " modes"]:
        linear = -by * self.diffusivity * (np.pi * np.arange(self.modes)) ** 2
        half_phi, _, _ = _phi_functions(linear / 2)
        phi1, phi2, phi3 = _phi_functions(linear)
        whole, half = np.exp(linear), np.exp(linear / 2)
        half_phi = by / 2 * half_phi

        start = self.reaction(state)
        one = half * state + half_phi * start
        first = self.reaction(one)
        two = half * state + half_phi * first
        second = self.reaction(two)
        three = half * one + half_phi * (2 * second - start)
        third = self.reaction(three)
        return whole * state + by * (
            (phi1 - 3 * phi2 + 4 * phi3) * start
            + (2 * phi2 - 4 * phi3) * (first + second)
            + (4 * phi3 - phi2) * third
        )

    def reaction(self, state: Float[np.ndarray, " modes"]) -> Float[np.ndarray, " modes"]:
        u = scipy.fft.dct(state, type=1)
        return scipy.fft.idct(self.reaction_rate * (u - u**3), type=1)


def evaluate(
    modes: Float[np.ndarray, " modes"], x: Float[np.ndarray, " points"]
) -> Float[np.ndarray, " points"]:
    """The sum of the series at some points."""
    counted = np.flatnonzero(np.abs(modes) > _NEGLIGIBLE)
    weights = 2 * modes[: counted[-1] + 1] if len(counted) else np.zeros(1)
    weights[0] /= 2
    # The recurrence of Clenshaw is a loop over modes; a table of cosines is too large.
    values = np.empty(len(x))
    chunk = max(1, 2**21 // len(weights))
    for begin in range(0, len(x), chunk):
        here = slice(begin, begin + chunk)
        values[here] = np.cos(np.pi * np.outer(x[here], np.arange(len(weights)))) @ weights
    return values


def _moment(m: np.ndarray) -> np.ndarray:
    r"""$\int_0^1 x^2 \cos(m \pi x) \, dx$."""
    m = np.asarray(m, np.float64)
    nonzero = np.where(m == 0, 1, m)
    return np.where(m == 0, 1 / 3, 2 * np.cos(np.pi * m) / (nonzero * np.pi) ** 2)


def _phi_functions(z: np.ndarray) -> list[np.ndarray]:
    # In double precision whatever jax is set to.
    with jax.enable_x64(True):
        return [np.asarray(values) for values in phi_functions(jnp.asarray(z))]

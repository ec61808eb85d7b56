"""The distribution of vorticity, with the tails where the extremes are."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError

AnyArray = Array | np.ndarray


def vorticity_pdf(
    vorticity: Float[AnyArray, "..."], edges: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, " edges-1"]:
    """The probability density in s between the bin edges in s-1.

    Values outside the bins count as samples, so that the tails beyond the bins are not spread
    over them.
    """
    values = _finite_values(vorticity)
    counts, _ = np.histogram(values, bins=np.asarray(edges, float))
    return counts / (values.size * np.diff(edges))


def kernel_density(
    vorticity: Float[AnyArray, "..."],
    points: Float[np.ndarray, " points"],
    bandwidth_factor: float = 1.0,
) -> Float[np.ndarray, " points"]:
    r"""A Gaussian kernel estimate in s of the probability density at `points` in s-1.

    The bandwidth is `bandwidth_factor` times Scott's, $\sigma n^{-1/5}$ (Scott 1992, Multivariate
    Density Estimation). The values are first shared out to a mesh of a sixteenth of the
    bandwidth, so that millions of values cost little more than thousands.
    """
    values = _finite_values(vorticity)
    bandwidth = bandwidth_factor * np.std(values) * values.size ** (-1 / 5)
    if not bandwidth > 0:
        raise ClosuraxError(
            "A kernel density needs values that differ and a positive `bandwidth_factor`, "
            f"not {bandwidth_factor}."
        )
    cell, reach = bandwidth / 16, 128
    low = values.min() - reach * cell
    position = (values - low) / cell
    left = np.floor(position).astype(int)
    share = position - left
    cells = left.max() + 2 + reach
    mass = np.bincount(left, 1 - share, cells) + np.bincount(left + 1, share, cells)
    offsets = np.arange(-reach, reach + 1) / 16
    kernel = np.exp(-(offsets**2) / 2) / (np.sqrt(2 * np.pi) * bandwidth)
    density = np.convolve(mass, kernel, mode="same") / values.size
    return np.interp(points, low + cell * np.arange(cells), density, left=0.0, right=0.0)


def tail_probability(vorticity: Float[AnyArray, "..."], threshold: float) -> float:
    r"""The fraction of all values with $|\omega|$ above `threshold` in s-1."""
    return float(np.mean(np.abs(_finite_values(vorticity)) > threshold))


def bootstrap_interval(
    series: Float[AnyArray, "member time"],
    *,
    block: int,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile interval of the mean of correlated series, one for each member.

    Draws members with replacement and, within each, blocks of consecutive times around the
    series closed to a circle: Politis and Romano 1992, in Exploring the Limits of Bootstrap.

    **Arguments:**

    - `series`: of a statistic of each snapshot, such as the fraction of points in a tail.
    - `block`: saves in a block; take it longer than the correlation.
    - `confidence`: probability of the interval.
    - `resamples`, `seed`: number of draws, and the seed of their generator.

    Raises `ClosuraxError` if a value is not finite or no whole block fits.
    """
    series = np.asarray(series, float)
    members, times = series.shape
    if not 1 <= block <= times or not np.isfinite(series).all():
        raise ClosuraxError(
            f"The bootstrap needs finite values and blocks of 1 to {times} saves, not {block}; "
            "leave out members that blew up."
        )
    generator = np.random.default_rng(seed)
    blocks = -(-times // block)
    circle = np.concatenate([series, series[:, :block]], axis=1)
    sums = np.concatenate([np.zeros((members, 1)), np.cumsum(circle, axis=1)], axis=1)
    block_means = (sums[:, block : block + times] - sums[:, :times]) / block
    chosen = generator.integers(members, size=(resamples, members, 1))
    starts = generator.integers(times, size=(resamples, members, blocks))
    means = block_means[chosen, starts].mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def return_levels(
    maxima: Float[AnyArray, "..."], save_every: float, periods: Sequence[float]
) -> Float[np.ndarray, " periods"]:
    r"""The levels in s-1 that the domain's largest $|\omega|$ exceeds once in every period.

    Empirical: of all saves a fraction `save_every / period` lies above the level. Saves that
    are closer than the life of an extreme eddy count one event several times, so the levels
    say how often a save exceeds them, not how many events there are.

    **Arguments:**

    - `maxima`: of each save, of all members.
    - `save_every`: time in s between saves.
    - `periods`: in s. Those shorter than `save_every` or longer than the whole record give NaN.
    """
    values = _finite_values(maxima)
    fraction = save_every / np.asarray(periods, float)
    known = (fraction <= 1) & (fraction * values.size >= 1)
    levels = np.quantile(values, 1 - np.minimum(fraction, 1))
    return np.where(known, levels, np.nan)


def _finite_values(values: Float[AnyArray, "..."]) -> Float[np.ndarray, " n"]:
    flat = np.asarray(values, float).ravel()
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        raise ClosuraxError("There is no finite value to take statistics of.")
    return flat

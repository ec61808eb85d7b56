"""Where Gaussians in space go, and how wide they are, so that they follow a density."""

from collections.abc import Sequence
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
import scipy.ndimage
import scipy.spatial
from jaxtyping import Array, Float

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractEvolution, box_quadrature, grid_points

from ..fields.at_points import at_points
from ..fields.evolved_field import EvolvedField
from ..fields.features import AbstractFeatures
from ..fields.gaussian_features import GaussianFeatures
from ..fields.periodic_features import periodic_in
from ..fields.reflected_features import ReflectedFeatures
from ..fields.vanishing_features import VanishingFeatures
from .equal_mass_cells import equal_mass_cells

# Centres lie outside of the box, too, up to this many widths from it: with fewer of them the error
# at the walls does not fall with the number of Gaussians.
_MARGIN = 2.5
_RELAXATIONS = 30
# Places of the density between which centres are moved, for each centre.
_SAMPLES = 30
_NODES_PER_CELL = 3


class Density(eqx.Module):
    """How many Gaussians there are to be in a part of a box, on a regular grid, up to a factor."""

    axes: tuple[Float[np.ndarray, " _"], ...]
    values: Float[np.ndarray, "*grid"]
    periodic: tuple[bool, ...] = eqx.field(static=True)

    @classmethod
    def uniform(cls, problem: AbstractEvolution) -> Self:
        """The same everywhere in the space of a problem."""
        axes = tuple(map(np.asarray, zip(problem.lower[1:], problem.upper[1:], strict=True)))
        return cls(axes, np.ones((2,) * len(axes)), problem.periodic[1:])

    @classmethod
    def of_curvature(
        cls,
        problem: AbstractEvolution,
        field: EvolvedField,
        nodes: int,
        *,
        exponent: float = 0.5,
        even: float = 0.2,
        snapshots: int = 21,
    ) -> Self:
        r"""Larger where a field is curved at some time,

        $$\rho \propto \max_t |\nabla^2 u|^{p d}, \qquad \text{smoothed, and a part that is even},$$

        in $d$ dimensions, with the sizes of the second derivatives along all axes in the place of
        the Laplacian. So distances are as the power $-p$ of the curvature.

        **Arguments:**

        - `field`: the solution of a coarser run; its offset does not count.
        - `nodes`: of the grid along each axis.
        - `exponent`: $p$.
        - `even`: the part of the Gaussians that is spread evenly.
        - `snapshots`: how many times are looked at.
        """
        axes = tuple(
            np.linspace(low, high, nodes)
            for low, high in zip(problem.lower[1:], problem.upper[1:], strict=True)
        )
        places = jnp.asarray(grid_points(axes).reshape(-1, len(axes)))
        times = jnp.linspace(problem.lower[0], problem.upper[0], snapshots)
        curvature = np.asarray(_largest_curvature(field, times, places))
        values = (curvature ** (exponent * len(axes))).reshape([nodes] * len(axes))
        modes = ["wrap" if periodic else "nearest" for periodic in problem.periodic[1:]]
        # A mean over so many nodes that the density does not follow single Gaussians.
        values = scipy.ndimage.gaussian_filter(values, nodes / 100, mode=modes)
        values = values / values.mean()
        return cls(axes, (1 - even) * values + even, problem.periodic[1:])

    def place(
        self,
        count: int,
        *,
        overlap: float = 2.0,
        vanishing: Sequence[int] = (),
        odd: bool = False,
        seed: int = 0,
    ) -> AbstractFeatures:
        """Gaussians with this density.

        Along a line the centres divide it into equal parts. In more dimensions they start random
        and move to the centres of their Voronoi cells (Lloyd 1982, IEEE Trans. Inf. Theory 28,
        129), which a weight of the density to the power of (dims + 2) / dims leads to the density.

        **Arguments:**

        - `count`: of Gaussians, some of them in a margin around the box.
        - `overlap`: their width as a multiple of their spacing.
        - `vanishing`: axes on both of whose faces the features are to vanish.
        - `odd`: whether these faces reflect the features, which then need no margin there, or a
            factor makes them vanish.
        - `seed`: of the start of the centres, in more than one dimension.

        Raises `ClosuraxError` for fewer than ten Gaussians.
        """
        if count < 10:
            raise ClosuraxError(f"`count` = {count}: give at least ten Gaussians.")
        open_axes = [
            axis
            for axis, periodic in enumerate(self.periodic)
            if not (periodic or (odd and axis in vanishing))
        ]
        around = self._with_margin(open_axes, count, overlap)
        if len(self.axes) == 1:
            centres = around._divided(count)
        else:
            centres = around._relaxed(count, seed)
        spacing = (around._mass() / count / around._at(centres)) ** (1 / len(self.axes))
        widths = np.broadcast_to(overlap * spacing[:, None], centres.shape)
        lower, upper = zip(*((axis[0], axis[-1]) for axis in self.axes), strict=True)
        gaussians = GaussianFeatures(jnp.asarray(centres), jnp.asarray(widths))
        features = periodic_in(gaussians, lower, upper, self.periodic)
        if vanishing:
            low, high = (tuple(map(float, each)) for each in (lower, upper))
            kind = ReflectedFeatures if odd else VanishingFeatures
            features = kind(features, low, high, tuple(vanishing))
        return features

    def quadrature(
        self, cells: int
    ) -> tuple[Float[np.ndarray, "points space"], Float[np.ndarray, " points"]]:
        """The points and weights of a quadrature: products of three of Gauss in each cell.

        **Arguments:**

        - `cells`: how many there are, with the same mass each.
        """
        lower, upper = (np.array([axis[end] for axis in self.axes]) for end in (0, -1))
        low, high = equal_mass_cells(self._at, lower, upper, cells)
        dims = len(self.axes)
        within, shares = box_quadrature([0.0] * dims, [1.0] * dims, [_NODES_PER_CELL] * dims)
        sides = high - low
        points = low[:, None] + sides[:, None] * within
        return points.reshape(-1, dims), np.multiply.outer(sides.prod(axis=1), shares).ravel()

    def _mass(self) -> float:
        values = self.values
        for axis in self.axes:
            values = np.trapezoid(values, axis, axis=0)
        return float(values)

    def _at(self, places: np.ndarray) -> np.ndarray:
        return scipy.interpolate.RegularGridInterpolator(
            self.axes, self.values, bounds_error=False, fill_value=None
        )(places)

    def _with_margin(self, open_axes: Sequence[int], count: int, overlap: float) -> "Density":
        """The same in a box that is larger by the margin along some axes."""
        axes, values, dims = list(self.axes), self.values, len(self.axes)
        spacing = (self._mass() / count) ** (1 / dims)
        for axis in open_axes:
            line = self.axes[axis]
            faces = values.take([0, -1], axis=axis).reshape(2, -1) if dims > 1 else values[[0, -1]]
            faces = faces.mean(axis=-1) if dims > 1 else faces
            margins = _MARGIN * overlap * spacing / faces ** (1 / dims)
            margins = np.minimum(margins, (line[-1] - line[0]) / 2)
            axes[axis] = np.concatenate([[line[0] - margins[0]], line, [line[-1] + margins[1]]])
            values = np.pad(values, [(int(each == axis),) * 2 for each in range(dims)], "edge")
        return Density(tuple(axes), values, self.periodic)

    def _divided(self, count: int) -> np.ndarray:
        values, line = self.values, self.axes[0]
        below = np.concatenate([[0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(line))])
        parts = (np.arange(count) + 0.5) / count
        return scipy.interpolate.PchipInterpolator(below / below[-1], line)(parts)[:, None]

    def _relaxed(self, count: int, seed: int) -> np.ndarray:
        dims, generator = len(self.axes), np.random.default_rng(seed)
        lower, upper = (np.array([axis[end] for axis in self.axes]) for end in (0, -1))
        sides = np.ceil((upper - lower) / np.min(upper - lower) * (_SAMPLES * count) ** (1 / dims))
        lines = [
            low + (high - low) * (np.arange(side) + 0.5) / side
            for low, high, side in zip(lower, upper, sides, strict=True)
        ]
        samples = grid_points(lines).reshape(-1, dims)
        density = np.maximum(self._at(samples), 0)
        weights = density ** ((dims + 2) / dims)
        chosen = generator.choice(len(samples), count, replace=False, p=density / density.sum())
        centres = samples[chosen]
        for _ in range(_RELAXATIONS):
            nearest = scipy.spatial.cKDTree(centres).query(samples)[1]
            total = np.bincount(nearest, weights, count)
            moved = [np.bincount(nearest, weights * each, count) for each in samples.T]
            kept = total > 0
            centres[kept] = (np.stack(moved, axis=-1)[kept].T / total[kept]).T
        return centres


@eqx.filter_jit
def _largest_curvature(field: EvolvedField, times: Array, places: Array) -> Array:
    weights = jax.lax.map(lambda time: field.at(time).weights, times)

    def largest(place):
        bends = jnp.einsum("nd,tnf->tfd", field.features.jet(place).second, weights)
        return jnp.max(jnp.sum(jnp.abs(bends), axis=(1, 2)))

    return at_points(largest, places)

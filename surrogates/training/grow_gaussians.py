from typing import NamedTuple, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AbstractProblem, check_agreement, grid_points

from ..fields.at_points import at_points
from ..fields.gaussian_features import GaussianFeatures
from ..fields.linear_field import LinearField
from ..fields.periodic_features import periodic_in
from .collocation import Collocation
from .measured_collocation import MeasuredCollocation
from .solve_weights import nearest_weights, solve_weights

# Cells beyond the box along an axis that is not periodic, at the start.
_MARGIN = 2
# Of the sum of the squared residuals: that of the cells that are divided.
_MARKED = 0.8
_START_COUNT = 150
_NEWTON_STEPS = 30


class GrownGaussians(NamedTuple):
    """A field of Gaussians that are narrow where the equation needs it.

    The residual is `Collocation.not_exceeded`, at points that were not fitted.
    """

    field: LinearField
    residual: float


def grow_gaussians(
    problem: AbstractProblem,
    count: int,
    *,
    start_count: int = _START_COUNT,
    overlap: float = 2.0,
    progress: bool = True,
) -> GrownGaussians:
    r"""The solution of a problem by Gaussians that are added where it is not satisfied.

    The box is divided into cells, each with a Gaussian of its proportions. Where the residual is
    large a cell is halved, along the axis along which the field bends most in it: those cells that
    hold most of the sum of the squares (Dörfler 1996, SIAM J. Numer. Anal. 33, 1106, section 4.2),
    and their larger neighbours, so that sizes change gradually. The weights are solved for,
    starting from the field before, and so on. Nothing is random, and no reference is seen.

    This is for layers and fronts of a problem in space and time, or of one that does not evolve;
    on smooth solutions `fit_gaussians` is as good with less work.

    **Arguments:**

    - `problem`: for one or several fields.
    - `count`: of Gaussians, at most. The work grows with its third power.
    - `start_count`: of Gaussians in the box before any are added, about. Some more are around it.
    - `overlap`: their width as a multiple of the side of their cell.
    - `progress`: whether to show a bar.

    Raises `ClosuraxError` if `count` leaves none to add, and as `check_agreement` and
    `solve_weights` do.
    """
    check_agreement(problem)
    cells = _Cells.uniform(problem, start_count)
    if len(cells.low) >= count:
        raise ClosuraxError(
            f"`count` = {count} leaves no Gaussians to add: around the box and in it there are "
            f"{len(cells.low)} at the start; lower `start_count` = {start_count}."
        )
    field = cells.field(problem, overlap)
    with tqdm(desc="growing Gaussians", unit=" rounds", disable=not progress) as bar:
        while True:
            points = cells.collocation(problem, field)
            field = solve_weights(field, points, _NEWTON_STEPS).field
            inside = np.flatnonzero(cells.inside(problem))
            squares = points.interior_squares(field).reshape(len(inside), -1).sum(axis=1)
            bar.update()
            residual = f"{np.sqrt(squares.mean()):.1e}"
            bar.set_postfix(gaussians=len(cells.low), residual=residual)
            budget = count - len(cells.low)
            if not budget:
                break
            axes = cells.steepest(inside, points.collocation.interior, field)
            cells = cells.halved(*cells.marked(inside, squares, axes, budget))
            field = cells.like(problem, overlap, field)
    held_out = Collocation.held_out(problem, 0).balanced(field)
    return GrownGaussians(field, held_out.not_exceeded(field))


class _Cells(NamedTuple):
    """Boxes side by side that fill the domain, and some way around it."""

    low: Float[np.ndarray, "cells dims"]
    size: Float[np.ndarray, "cells dims"]

    @classmethod
    def uniform(cls, problem: AbstractProblem, count: int) -> Self:
        """Cells of one size, so many in the box."""
        lower, upper = np.asarray(problem.lower), np.asarray(problem.upper)
        side = max(round(count ** (1 / problem.dims)), 2)
        numbers = [
            np.arange(0.0, side) if periodic else np.arange(-float(_MARGIN), side + _MARGIN)
            for periodic in problem.periodic
        ]
        size = (upper - lower) / side
        low = lower + size * grid_points(numbers).reshape(-1, problem.dims)
        return cls(low, np.broadcast_to(size, low.shape).copy())

    def field(self, problem: AbstractProblem, overlap: float) -> LinearField:
        """Of a Gaussian in each, all weights zero."""
        centres, widths = self.low + self.size / 2, overlap * self.size
        gaussians = GaussianFeatures(jnp.asarray(centres), jnp.asarray(widths))
        features = periodic_in(gaussians, problem.lower, problem.upper, problem.periodic)
        return LinearField(features, jnp.zeros((len(centres), len(problem.fields))))

    def like(self, problem: AbstractProblem, overlap: float, other: LinearField) -> LinearField:
        """The field that is closest to another one in the middle of the parts of all cells."""
        field = self.field(problem, overlap)
        points = jnp.asarray(_points(self.low, self.size, [2] * problem.dims))
        weights = nearest_weights(field.features, other, points)
        return eqx.tree_at(lambda field: field.weights, field, jnp.asarray(weights))

    def inside(self, problem: AbstractProblem) -> Bool[np.ndarray, " cells"]:
        """Those in the box."""
        middle = self.low + self.size / 2
        return np.asarray(((middle > problem.lower) & (middle < problem.upper)).all(axis=1))

    def collocation(self, problem: AbstractProblem, field: LinearField) -> MeasuredCollocation:
        """Points in each cell, and on each side of a cell that is on a face of the box."""
        dims, inside = problem.dims, self.inside(problem)
        low, size = self.low[inside], self.size[inside]
        relative = size / self.size.max(axis=0)
        along = max(round(8 ** (1 / dims)), 2)
        interior = _points(low, size, [along] * dims)
        blocks = [(interior, np.repeat(relative.prod(axis=1), along**dims))]
        for condition in problem.conditions():
            axis = condition.axis
            end = (problem.upper if condition.upper else problem.lower)[axis]
            edge = low[:, axis] + (size[:, axis] if condition.upper else 0)
            touching = np.abs(edge - end) < 0.1 * size[:, axis]
            numbers = [1 if each == axis else along + 1 for each in range(dims)]
            points = _points(low[touching], size[touching], numbers)
            points[:, axis] = end
            across = np.delete(relative[touching], axis, axis=1).prod(axis=1)
            blocks.append((points, np.repeat(across, (along + 1) ** (dims - 1))))
        (interior, _), *faces = blocks
        collocation = Collocation(
            problem=problem,
            interior=jnp.asarray(interior),
            faces=tuple(jnp.asarray(points) for points, _ in faces),
            scales=jnp.ones(len(blocks)),
        ).balanced(field)
        equations = [block.size for block in collocation.residuals_by_block(field)]
        measure = [
            np.repeat(measure, rows // len(measure))
            for rows, (_, measure) in zip(equations, blocks, strict=True)
        ]
        return MeasuredCollocation(collocation, jnp.asarray(np.concatenate(measure)))

    def steepest(
        self, inside: np.ndarray, points: Float[Array, "points dims"], field: LinearField
    ) -> np.ndarray:
        """The axis along which a field bends most in each cell, in units of its sides."""
        bends = np.asarray(_bends(field, points)).reshape(len(inside), -1, points.shape[1])
        return np.argmax(bends.max(axis=1) * self.size[inside] ** 2, axis=1)

    def marked(
        self,
        inside: np.ndarray,
        squares: Float[np.ndarray, " inside"],
        axes: np.ndarray,
        budget: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the cells to halve, `budget` at most, the worst first, and the axes."""
        order = np.argsort(-squares)
        part = np.cumsum(squares[order]) / squares.sum()
        middle = self.low + self.size / 2
        chosen: dict[int, int] = {}
        for index in order[: np.searchsorted(part, _MARKED) + 1]:
            cell, axis = inside[index], int(axes[index])
            distance = np.abs(middle - middle[cell])
            near = (distance < self.size / 2 + self.size[cell]).all(axis=1)
            larger = near & (self.size[:, axis] > 0.99 * self.size[cell, axis])
            for each in (cell, *np.flatnonzero(larger)):
                chosen.setdefault(int(each), axis)
        return (
            np.array(list(chosen)[:budget], int),
            np.array(list(chosen.values())[:budget], int),
        )

    def halved(self, cells: np.ndarray, axes: np.ndarray) -> Self:
        """With two halves in the place of each of some cells."""
        size = self.size.copy()
        size[cells, axes] /= 2
        above = self.low[cells].copy()
        above[np.arange(len(cells)), axes] += size[cells, axes]
        return type(self)(np.concatenate([self.low, above]), np.concatenate([size, size[cells]]))


@eqx.filter_jit
def _bends(field: LinearField, points: Float[Array, "points dims"]) -> Float[Array, "points dims"]:
    def at(point):
        return jnp.sum(jnp.abs(field.jet(point).second), axis=0)

    return at_points(at, points)


def _points(low: np.ndarray, size: np.ndarray, numbers: list[int]) -> Float[np.ndarray, "_ dims"]:
    """The middles of equal parts of boxes, box by box."""
    parts = grid_points([(np.arange(number) + 0.5) / number for number in numbers])
    parts = parts.reshape(-1, len(numbers))
    return (low[:, None] + size[:, None] * parts).reshape(-1, len(numbers))

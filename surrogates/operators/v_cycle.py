from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from closurax.physics.errors import ClosuraxError, GridMismatchError

from ..convolve import convolve
from .boundary import DIRICHLET, BoundaryLike, Points, Sides, boundary_sides, extend
from .strided_convolution import gather, spread

Layout = Literal["cells", "nodes", "released"]
Restricted = Literal["residual", "right-hand side"]
# Taps an axis of the restrictions and of the prolongation.
_TAPS = {"cells": (4, 4), "nodes": (3, 3), "released": (3, 4)}


class VCycle(eqx.Module):
    r"""The learned linear map of one multigrid V-cycle with several channels.

    On each level $\ell$, from the finest, with $u^1 = 0$ and $f^1$ the input,

    $$u^\ell \leftarrow u^\ell + S^\ell * (f^\ell - A^\ell * u^\ell), \qquad
    f^{\ell+1} = R^\ell * r^\ell, \quad u^{\ell+1} = \Pi^\ell * u^\ell,$$

    with the smoothing repeated as often as the level says, and upwards
    $u^\ell \leftarrow u^\ell + P^\ell *^T u^{\ell+1}$ before the smoothing after it. $S$, $A$,
    $R$, $\Pi$ and $P$ are small convolutions with stride one or two between all channels; $r$ is
    the residual $f - A * u$ (He, Liu and Xu 2024, arXiv 2310.19809, algorithm 1) or $f$ itself (the
    code released with it, github.com/xlliu2017/MgNO at 3a68a90).

    The map takes the extension of the fields beyond the sides from `boundary` on every level, in
    the smoothing, the restriction and the prolongation alike. It is therefore equivariant under
    shifts by `2**(levels - 1)` points along periodic axes that are multiples of this, and maps
    even and odd periodic functions like the map for half the period does, if its kernels are
    symmetric.

    Fields have their channels last here.
    """

    solves: tuple[tuple[Float[Array, "..."], ...], ...]
    applies: tuple[tuple[Float[Array, "..."], ...], ...]
    restrict_right: tuple[Float[Array, "..."], ...]
    restrict_solution: tuple[Float[Array, "..."], ...]
    prolong: tuple[Float[Array, "..."], ...]
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)
    before: tuple[int, ...] = eqx.field(static=True)
    after: tuple[int, ...] = eqx.field(static=True)
    boundary: tuple[Sides, ...] = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    restricted: Restricted = eqx.field(static=True)
    shared: bool = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        before: Sequence[int] = (1, 1, 1, 1, 1, 2),
        after: Sequence[int] = (),
        boundary: BoundaryLike = "dirichlet",
        dimensions: int = 2,
        layout: Layout = "cells",
        restricted: Restricted = "residual",
        shared: bool = False,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: of the right-hand side and of the solution.
        - `before`: smoothing steps on the way down, for each level from the finest.
        - `after`: smoothing steps on the way up, for each level; by default none.
        - `boundary`: as for `boundary_sides`, and one, two or three axes with it.
        - `dimensions`: how many axes there are.
        - `layout`: where the points lie. `"cells"`: half a spacing from the sides, with
            restrictions and prolongations of four taps an axis. `"nodes"`: on the sides, or one
            spacing from a side where the field is zero, with three taps. `"released"`: as the
            released code has it, restrictions of nodes and prolongations of cells.
        - `restricted`: the `"residual"`, as the paper says, or the `"right-hand side"`, as the
            released code does.
        - `shared`: whether all smoothing steps of a level have the same kernels, as the paper
            says, or their own, as in the released code.
        """
        before, after = tuple(before), tuple(after) or (0,) * len(tuple(before))
        if not before or len(after) != len(before) or min(*before, *after) < 0 or before[0] < 1:
            raise ClosuraxError(
                f"`before` = {before} and `after` = {after} must hold a number of smoothing steps "
                "for each level, at least one before on the finest."
            )
        if layout not in _TAPS:
            raise ClosuraxError(f"`layout` is {layout!r}; give one of {list(_TAPS)}.")
        if restricted not in ("residual", "right-hand side"):
            raise ClosuraxError(
                f"`restricted` is {restricted!r}; give 'residual' or 'right-hand side'."
            )
        if dimensions not in (1, 2, 3):
            raise ClosuraxError(f"`dimensions` must be 1, 2 or 3, not {dimensions}.")
        keys = iter(jax.random.split(key, 4 * (sum(before) + sum(after) + len(before))))
        n_in, n_out, coarser = in_channels, out_channels, len(before) - 1

        def kernel(taps: int, channels_in: int, channels_out: int, fan: int) -> Array:
            limit = (fan * channels_in) ** -0.5
            shape = (taps,) * dimensions + (channels_in, channels_out)
            return jax.random.uniform(next(keys), shape, minval=-limit, maxval=limit)

        def kernels(counts: Sequence[int], channels_in: int, channels_out: int) -> tuple:
            fan = 3**dimensions
            return tuple(
                tuple(kernel(3, channels_in, channels_out, fan) for _ in range(count))
                for count in counts
            )

        steps = [down + up for down, up in zip(before, after, strict=True)]
        self.solves = kernels([min(count, 1) if shared else count for count in steps], n_in, n_out)
        # The first step of all starts from zero and applies nothing; a residual to restrict is
        # one application more.
        applications = [
            count - (level == 0) + (restricted == "residual" and level < coarser)
            for level, count in enumerate(steps)
        ]
        self.applies = kernels(
            [min(count, 1) if shared else count for count in applications], n_out, n_in
        )
        down, up = _TAPS[layout]
        fan_down, fan_up = down**dimensions, 2**dimensions
        self.restrict_right = tuple(kernel(down, n_in, n_in, fan_down) for _ in range(coarser))
        self.restrict_solution = tuple(kernel(down, n_out, n_out, fan_down) for _ in range(coarser))
        self.prolong = tuple(kernel(up, n_out, n_out, fan_up) for _ in range(coarser))
        self.in_channels, self.out_channels = in_channels, out_channels
        self.before, self.after = before, after
        self.boundary = boundary_sides(boundary, dimensions)
        self.layout, self.restricted, self.shared = layout, restricted, shared

    @property
    def dimensions(self) -> int:
        """How many axes there are."""
        return len(self.boundary)

    @property
    def levels(self) -> int:
        """How many grids there are."""
        return len(self.before)

    def __call__(
        self, right: Float[Array, "*space in_channels"]
    ) -> Float[Array, "*space out_channels"]:
        """The solution for a right-hand side.

        Raises `GridMismatchError` if the grid has another number of axes, or too few points for
        the levels.
        """
        self._check(right)
        rights, solutions = [right], []
        solution = self._convolve(self.solves[0][0], right)
        for level in range(self.levels):
            # The first step of all, from zero, is taken.
            first = int(level == 0)
            solution = self._smooth(
                level, solution, rights[level], first, self.before[level] - first
            )
            if level < self.levels - 1:
                solutions.append(solution)
                restricted = rights[level]
                if self.restricted == "residual":
                    restricted = restricted - self._convolve(self.applies[level][-1], solution)
                rights.append(self._restrict(self.restrict_right[level], restricted))
                solution = self._restrict(self.restrict_solution[level], solution)
        for level in reversed(range(self.levels)):
            if level < self.levels - 1:
                finer = solutions[level]
                solution = finer + self._prolong(self.prolong[level], solution, finer.shape)
            first = self.before[level]
            solution = self._smooth(level, solution, rights[level], first, self.after[level])
        return solution

    def _smooth(self, level: int, solution: Array, right: Array, first: int, count: int) -> Array:
        solves, applies = self.solves[level], self.applies[level]
        for step in range(first, first + count):
            # Shared kernels are the only ones of their level.
            solve = solves[0 if self.shared else step]
            apply = applies[0 if self.shared else step - (level == 0)]
            residual = right - self._convolve(apply, solution)
            solution = solution + self._convolve(solve, residual)
        return solution

    def _convolve(self, kernel: Array, field: Array) -> Array:
        return convolve(self._extend(field, [(1, 1)] * self.dimensions), kernel)

    def _restrict(self, kernel: Array, field: Array) -> Array:
        widths = []
        for size, sides in zip(field.shape[:-1], self.boundary, strict=True):
            below = 1 - self._first(sides)
            widths.append((below, 2 * self._coarsened(size, sides) + 2 - below - size))
        return gather(self._extend(field, widths), self._with_four_taps(kernel))

    def _prolong(self, kernel: Array, field: Array, shape: tuple[int, ...]) -> Array:
        extended = self._extend(field, [(1, 1)] * self.dimensions)
        finer = spread(extended, self._with_four_taps(kernel))
        for axis, (size, sides) in enumerate(zip(shape[:-1], self.boundary, strict=True)):
            start = 1 - self._first(sides)
            finer = lax.slice_in_dim(finer, start, start + size, axis=axis)
        return finer

    def _with_four_taps(self, kernel: Array) -> Array:
        missing = 4 - kernel.shape[0]
        return jnp.pad(kernel, [(0, missing)] * self.dimensions + [(0, 0)] * 2)

    def _extend(self, field: Array, widths: Sequence[tuple[int, int]]) -> Array:
        points: Points = "nodes" if self.layout == "nodes" else "cells"
        return extend(field, widths, self.boundary, points)

    def _first(self, sides: Sides) -> int:
        """Which point of an axis the first one of the coarser grid lies at, or starts at."""
        return int(self.layout == "nodes" and sides[0] == DIRICHLET)

    def _coarsened(self, size: int, sides: Sides) -> int:
        return (size - 1 - self._first(sides)) // 2 + 1

    def _check(self, right: Array) -> None:
        *sizes, channels = right.shape
        if len(sizes) != self.dimensions or channels != self.in_channels:
            raise GridMismatchError(
                f"This V-cycle takes fields with {self.dimensions} axes and {self.in_channels} "
                f"channels (the channels last), not of shape {right.shape}."
            )
        for axis, (size, sides) in enumerate(zip(sizes, self.boundary, strict=True)):
            coarse = size
            for level in range(self.levels - 1):
                if coarse < 2:
                    raise GridMismatchError(
                        f"Axis {axis} has {size} points, which can be coarsened {level} times; "
                        f"{self.levels} levels need {self.levels - 1} times: take fewer levels or "
                        "a finer grid."
                    )
                coarse = self._coarsened(coarse, sides)

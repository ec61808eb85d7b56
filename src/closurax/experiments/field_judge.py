from functools import cached_property

import numpy as np
import xarray as xr

from closurax.physics.problems import AbstractProblem, grid_axes, grid_points
from closurax.surrogates.fields import LinearField, on_grid
from closurax.surrogates.training import Collocation

from .parameter_count import parameter_count


class FieldJudge:
    """Compares fields with the solution of a problem, on a grid, and with its equations."""

    def __init__(self, problem: AbstractProblem, points: int, seed: int):
        """**Arguments:**

        - `points`: of each axis of the grid.
        - `seed`: of the points where the residuals are taken, which no fit uses.
        """
        self.problem, self.shape = problem, (points,) * problem.dims
        self._equations = Collocation.held_out(problem, seed + 1000)

    def scores(self, field: LinearField) -> dict[str, float]:
        """Errors, residual in the units of the equations, and the number of parameters."""
        solution = self.solution(field)
        names = [quantity.name for quantity in self.problem.fields]
        error = np.stack([solution[f"{name}_error"].values for name in names])
        truth = np.stack([solution[f"{name}_reference"].values for name in names])
        return {
            "relative_l2": float(np.linalg.norm(error) / np.linalg.norm(truth)),
            "max_error": float(np.abs(error).max()),
            "residual": self._equations.not_exceeded(field),
            "parameters": float(parameter_count(field)),
        }

    def solution(self, field: LinearField) -> xr.Dataset:
        """Each field `u` with `u_reference` and `u_error` on the grid."""
        solution = on_grid(self.problem, field, self.shape)
        for index, quantity in enumerate(self.problem.fields):
            name, units = quantity.name, {"units": quantity.units}
            dims = solution[name].dims
            reference = self._reference[..., index]
            error = solution[name].values - reference
            solution[name].attrs["long_name"] = f"{name} by Gaussians"
            solution[f"{name}_reference"] = (
                dims, reference, {**units, "long_name": f"{name}, the solution"},
            )  # fmt: skip
            solution[f"{name}_error"] = (
                dims, error, {**units, "long_name": f"{name} minus the solution"},
            )  # fmt: skip
        return solution

    @cached_property
    def _reference(self) -> np.ndarray:
        points = grid_points(grid_axes(self.problem, self.shape))
        return self.problem.solution(points.reshape(-1, self.problem.dims)).reshape(*self.shape, -1)

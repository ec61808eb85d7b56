from functools import cached_property

import numpy as np
import xarray as xr
from jaxtyping import Float

from closurax.physics.problems import AbstractProblem, grid_axes, grid_points
from closurax.surrogates.fields import AbstractField, on_grid
from closurax.surrogates.training import Collocation

from .parameter_count import parameter_count


class FieldJudge:
    """Compares fields with the solution of a problem, on a grid, and with its equations."""

    def __init__(
        self,
        problem: AbstractProblem,
        points: int | tuple[int, ...],
        seed: int,
        with_residual: bool = True,
    ):
        """**Arguments:**

        - `points`: of each axis of the grid, or of all of them.
        - `seed`: of the points where the residuals are taken, which no fit uses.
        - `with_residual`: whether the equations of the problem tell whether a field solves it.
        """
        self.problem = problem
        self.shape = (points,) * problem.dims if isinstance(points, int) else points
        self._equations = Collocation.held_out(problem, seed + 1000) if with_residual else None

    def scores(self, field: AbstractField) -> dict[str, float]:
        """Errors, residual in the units of the equations, and the number of parameters."""
        solution = on_grid(self.problem, field, self.shape)
        values = [solution[quantity.name].values for quantity in self.problem.fields]
        scores = self.errors(np.stack(values, axis=-1))
        if self._equations is not None:
            scores["residual"] = self._equations.not_exceeded(field)
        return scores | {"parameters": float(parameter_count(field))}

    def errors(self, values: Float[np.ndarray, "*grid fields"]) -> dict[str, float]:
        """Those of values on the grid."""
        error = values - self._reference
        return {
            "relative_l2": float(np.linalg.norm(error) / np.linalg.norm(self._reference)),
            "max_error": float(np.abs(error).max()),
        }

    def solution(self, field: AbstractField) -> xr.Dataset:
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

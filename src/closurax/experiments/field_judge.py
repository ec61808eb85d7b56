from functools import cached_property

import equinox as eqx
import jax
import numpy as np
import xarray as xr

from closurax.physics.problems import AbstractProblem
from closurax.surrogates.fields import LinearField, on_grid
from closurax.surrogates.training import Collocation

from .field_baselines import exceeded_by_a_tenth


class FieldJudge:
    """Compares fields with the solution of a problem, on a grid, and with its equations."""

    def __init__(self, problem: AbstractProblem, points: int, seed: int):
        """**Arguments:**

        - `points`: of each axis of the grid.
        - `seed`: of the points where the residuals are taken, which no fit uses.
        """
        self.problem, self.shape = problem, (points,) * problem.dims
        self._equations = Collocation.quasi_random(problem, 2000, 200, seed + 2000)

    def scores(self, field: LinearField) -> dict[str, float]:
        """Errors, residual in the units of the equations, and the number of parameters."""
        solution = self.solution(field)
        names = [quantity.name for quantity in self.problem.fields]
        error = np.stack([solution[f"{name}_error"].values for name in names])
        truth = np.stack([solution[f"{name}_reference"].values for name in names])
        arrays = jax.tree.leaves(eqx.filter(field, eqx.is_inexact_array))
        return {
            "relative_l2": float(np.linalg.norm(error) / np.linalg.norm(truth)),
            "max_error": float(np.abs(error).max()),
            "residual": exceeded_by_a_tenth(self._equations, field),
            "parameters": float(sum(array.size for array in arrays)),
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
        ends = zip(self.problem.lower, self.problem.upper, self.shape, strict=True)
        axes = [np.linspace(*each) for each in ends]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        return self.problem.solution(points.reshape(-1, self.problem.dims)).reshape(*self.shape, -1)

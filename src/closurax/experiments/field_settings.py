from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from .field_problems import (
    AbstractProblemSettings,
    CavityProblem,
    HelmholtzProblem,
    KleinGordonProblem,
)
from .settings import AbstractExperiment

if TYPE_CHECKING:
    from ..workspace import Workspace

# A system of so many unknowns takes 3 GB, and hours.
Unknowns = Annotated[int, Field(ge=10, le=10_000)]

MOST_POINTS = 4_000_000
"""Of a grid that fields are judged on."""


def check_counts_differ(lists: Mapping[str, list[int]], gaussians: int) -> None:
    """Raises `ValueError` if a list has a number twice, or `convergence` that of the Gaussians."""
    for name, counts in lists.items():
        all_counts = [*counts, gaussians] if name == "convergence" else counts
        if len(set(all_counts)) < len(all_counts):
            raise ValueError(f"{name} = {counts} has a number twice, or that of gaussians")


class FieldExperiment(AbstractExperiment):
    """A differential equation solved by Gaussians without a reference, then judged by one."""

    problem: AbstractProblemSettings
    gaussians: Unknowns
    seeds: Annotated[int, Field(ge=1)]
    test_points: Annotated[int, Field(ge=2)]
    """Of each axis of the grid that fields are judged on."""
    convergence: list[Unknowns]
    """Other numbers of Gaussians."""
    polynomials: list[Unknowns] = Field(min_length=1)
    """Numbers of Chebyshev polynomials, the baseline."""

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        points = self.test_points**self.problem.dims
        if points > MOST_POINTS:
            raise ValueError(
                f"test_points = {self.test_points} for each of {self.problem.dims} axes makes "
                f"{points} points, more than {MOST_POINTS}"
            )
        return self

    @model_validator(mode="after")
    def _counts_differ(self) -> Self:
        lists = {"convergence": self.convergence, "polynomials": self.polynomials}
        check_counts_differ(lists, self.gaussians)
        return self

    def stages(self) -> int:
        return self.seeds + 4

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .field_experiment import run

        return run(self, workspace)


class HelmholtzPIG(FieldExperiment):
    """`FieldExperiment` for the Helmholtz equation."""

    problem: HelmholtzProblem


class KleinGordonPIG(FieldExperiment):
    """`FieldExperiment` for the Klein-Gordon equation."""

    problem: KleinGordonProblem


class CavityPIG(FieldExperiment):
    """`FieldExperiment` for the flow in a cavity under a lid."""

    problem: CavityProblem

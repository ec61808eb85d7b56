from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from .settings import AbstractExperiment, Section

if TYPE_CHECKING:
    from ..workspace import Workspace


class DarcyData(Section):
    """The samples that are made."""

    coefficient: Literal["smooth", "rough", "multiscale"]
    samples: Annotated[int, Field(ge=1)]
    grid_points: Annotated[int, Field(ge=2, le=1024)]
    refinement: Annotated[int, Field(ge=1, le=63)]
    workers: Annotated[int, Field(ge=1, le=256)]

    @field_validator("refinement")
    @classmethod
    def _points_are_cell_centres(cls, refinement: int) -> int:
        if refinement % 2 == 0:
            raise ValueError(f"refinement = {refinement} is not odd")
        return refinement


class GenerateDarcy(AbstractExperiment):
    """Random coefficients of Darcy flow and the solutions for them."""

    data: DarcyData

    def stages(self) -> int:
        return 1

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .generate_darcy import run

        return run(self, workspace)

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .settings import AbstractExperiment, Section

if TYPE_CHECKING:
    from ..workspace import Workspace


class HelmholtzData(Section):
    """The samples that are made."""

    frequency: Annotated[float, Field(gt=0)]
    samples: Annotated[int, Field(ge=1)]
    grid_points: Annotated[int, Field(ge=2, le=1025)]
    refinement: Annotated[int, Field(ge=1, le=64)]
    workers: Annotated[int, Field(ge=1, le=256)]


class GenerateHelmholtz(AbstractExperiment):
    """Random wave speeds and the time-harmonic waves in them."""

    data: HelmholtzData

    def stages(self) -> int:
        return 1

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .generate_helmholtz import run

        return run(self, workspace)

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from .settings import AbstractExperiment, Section

if TYPE_CHECKING:
    from ..workspace import Workspace

_Positive = Annotated[float, Field(gt=0)]

_MOST_OBSERVATIONS = 1_000_000


class AllenCahnCoefficients(Section):
    diffusivity: _Positive
    reaction_rate: _Positive


class ObservationSettings(Section):
    """A grid of noisy observations."""

    times: Annotated[int, Field(ge=21)]
    places: Annotated[int, Field(ge=64, multiple_of=2)]
    noise: Annotated[float, Field(gt=0, le=0.5)]
    """The standard deviation of the noise, as a part of that of the solution."""


class InverseAllenCahn(AbstractExperiment):
    """The coefficients of the Allen-Cahn equation from noisy observations of its solution."""

    gaussians: Annotated[int, Field(ge=50, le=1000)]
    realisations: Annotated[int, Field(ge=2)]
    """Of the noise."""
    truth: AllenCahnCoefficients
    start: AllenCahnCoefficients
    """Where the search begins; what is known keeps its true value."""
    observations: ObservationSettings

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        count = self.observations.times * self.observations.places
        if count > _MOST_OBSERVATIONS:
            raise ValueError(f"{count} observations are more than {_MOST_OBSERVATIONS}")
        return self

    def stages(self) -> int:
        return 5

    def run(self, workspace: "Workspace") -> dict[str, float]:
        from .inverse_experiment import run

        return run(self, workspace)

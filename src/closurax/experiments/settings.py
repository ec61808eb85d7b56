"""What the settings of every experiment have in common."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pydantic

if TYPE_CHECKING:
    from ..workspace import Workspace


class Section(pydantic.BaseModel):
    """A table of settings: no unknown keys, no conversion of types, finite numbers."""

    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )


class AbstractExperiment(Section, ABC):
    """Settings of an experiment, which also run it.

    Importing settings must stay quick: what computes is imported by `run`.
    """

    experiment: str
    description: str
    expected_minutes: float = pydantic.Field(gt=0)
    seed: int = pydantic.Field(ge=0)

    @abstractmethod
    def stages(self) -> int:
        """The number of stages that `run` goes through."""

    @abstractmethod
    def run(self, workspace: "Workspace") -> dict[str, float]:
        """Runs all stages and returns the metrics."""


def whole_multiple(long: float, short: float) -> bool:
    """Whether `long` is a multiple of `short`, up to rounding."""
    return round(long / short) >= 1 and abs(round(long / short) * short - long) <= 1e-6 * long

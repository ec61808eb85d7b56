"""Which problems the experiments on fields solve, and what was published on them."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from .settings import Section

if TYPE_CHECKING:
    from closurax.physics.problems import AbstractEvolution, AbstractProblem, LidDrivenCavity
    from closurax.surrogates.fields import AbstractField, LinearField
    from closurax.surrogates.training import GaussianFit

_Waves = Annotated[int, Field(ge=1, le=100)]


class AbstractProblemSettings(Section):
    """The name of a problem and its parameters."""

    dims: ClassVar[int]
    title: ClassVar[str]
    judged_by_residual: ClassVar[bool] = True
    """Whether the equations of what is compared tell whether a field solves them."""

    @abstractmethod
    def made(self) -> "AbstractProblem":
        """The problem that is solved."""

    def judged(self) -> "AbstractProblem":
        """The problem whose solution is compared with."""
        return self.made()

    def shown(self, field: "AbstractField") -> "AbstractField":
        """What a field that solves the one is for the other."""
        return field

    def fit(self, count: int, seed: int) -> "GaussianFit":
        """The solution by Gaussians."""
        from closurax.surrogates.training import fit_gaussians

        return fit_gaussians(self.made(), count, seed=seed)

    def fit_polynomials(self, count: int, seed: int) -> "LinearField":
        """The solution by polynomials."""
        from .field_baselines import fit_polynomials

        return fit_polynomials(self.made(), count, seed=seed)

    def completed(self, field: "LinearField") -> "LinearField":
        """A field from its file, with what is known in closed form and not in the file."""
        return field

    @property
    def published(self) -> float | None:
        """The relative L2 error of Gaussians in Kang et al. 2024 (arXiv 2412.05994)."""
        return None


class HelmholtzProblem(AbstractProblemSettings):
    name: Literal["helmholtz"]
    waves_x: _Waves
    waves_y: _Waves

    dims: ClassVar[int] = 2
    title: ClassVar[str] = "The Helmholtz equation solved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import Helmholtz

        return Helmholtz(waves_x=self.waves_x, waves_y=self.waves_y)

    @property
    def published(self) -> float | None:
        # Which of the axes has more waves does not matter.
        waves = max(self.waves_x, self.waves_y), min(self.waves_x, self.waves_y)
        return {(4, 1): 2.22e-5, (10, 10): 7.09e-3}.get(waves)


class KleinGordonProblem(AbstractProblemSettings):
    name: Literal["klein-gordon"]

    dims: ClassVar[int] = 3
    title: ClassVar[str] = "The Klein-Gordon equation solved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import KleinGordon

        return KleinGordon()

    @property
    def published(self) -> float | None:
        return 2.36e-3


class AllenCahnProblem(AbstractProblemSettings):
    name: Literal["allen-cahn"]

    dims: ClassVar[int] = 2
    title: ClassVar[str] = "The Allen-Cahn equation evolved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import AllenCahn

        return AllenCahn()

    @property
    def published(self) -> float | None:
        return 5.93e-5


class BurgersProblem(AbstractProblemSettings):
    name: Literal["burgers"]
    viscosity: Annotated[float, Field(gt=0, le=1)]

    dims: ClassVar[int] = 2
    title: ClassVar[str] = "Burgers' equation evolved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import Burgers

        return Burgers(viscosity=self.viscosity)


class PlaneBurgersProblem(AbstractProblemSettings):
    name: Literal["plane-burgers"]
    viscosity: Annotated[float, Field(ge=1e-3, le=1)]

    dims: ClassVar[int] = 3
    title: ClassVar[str] = "Burgers' equations in the plane, evolved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import PlaneBurgers

        return PlaneBurgers(viscosity=self.viscosity)


class FlowMixingProblem(AbstractProblemSettings):
    name: Literal["flow-mixing"]

    dims: ClassVar[int] = 3
    title: ClassVar[str] = "A front wound up by a vortex, evolved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import FlowMixing

        return FlowMixing()

    @property
    def published(self) -> float | None:
        return 2.67e-4


class NonlinearDiffusionProblem(AbstractProblemSettings):
    name: Literal["nonlinear-diffusion"]

    dims: ClassVar[int] = 3
    title: ClassVar[str] = "Nonlinear diffusion evolved by Gaussians"

    def made(self) -> "AbstractProblem":
        from closurax.physics.problems import Clustered

        return Clustered(self.judged())

    def judged(self) -> "AbstractEvolution":
        from closurax.physics.problems import NonlinearDiffusion

        return NonlinearDiffusion()

    def shown(self, field: "AbstractField") -> "AbstractField":
        from closurax.surrogates.fields import ClusteredFeatures, EvolvedField

        assert isinstance(field, EvolvedField)
        problem = self.judged()
        features = ClusteredFeatures(field.features, problem.lower[1:], problem.upper[1:])
        return EvolvedField(features, field.times, field.weights, field.slopes, problem.lift)

    @property
    def published(self) -> float | None:
        return 1.44e-3


class CavityProblem(AbstractProblemSettings):
    name: Literal["lid-driven-cavity"]
    viscosity: Annotated[float, Field(ge=0.005, le=10)]
    lid_speed: Annotated[float, Field(gt=0, le=1)]

    dims: ClassVar[int] = 2
    title: ClassVar[str] = "The flow in a cavity under a lid, solved by Gaussians"
    # A velocity alone has no divergence, whatever the forces.
    judged_by_residual: ClassVar[bool] = False

    def fit(self, count: int, seed: int) -> "GaussianFit":
        from closurax.surrogates.training import fit_stream_gaussians

        return fit_stream_gaussians(self.made(), count, seed=seed)

    def fit_polynomials(self, count: int, seed: int) -> "LinearField":
        from .field_baselines import cavity_polynomials

        return cavity_polynomials(self.made(), count)

    def completed(self, field: "LinearField") -> "LinearField":
        from closurax.surrogates.fields import LinearField
        from closurax.surrogates.training import stream_lift

        return LinearField(field.features, field.weights, stream_lift(self.made()))

    def made(self) -> "LidDrivenCavity":
        from closurax.physics.problems import LidDrivenCavity

        return LidDrivenCavity(viscosity=self.viscosity, lid_speed=self.lid_speed)

    def judged(self) -> "AbstractProblem":
        from closurax.physics.problems import CavityVelocity

        return CavityVelocity(self.made())

    def shown(self, field: "AbstractField") -> "AbstractField":
        from closurax.surrogates.fields import StreamVelocity

        return StreamVelocity(field)

    @property
    def published(self) -> float | None:
        return 4.04e-4 if (self.viscosity, self.lid_speed) == (0.01, 1.0) else None
